import { DataTypes, type Model, type ModelStatic, type Options, Sequelize } from 'sequelize';
import type { EventType } from '../../../domain/events.ts';
import type { OrderStatus } from '../../../domain/order-record.ts';
import type { PaymentStatus } from '../../../domain/payment.ts';
import type { DatabaseAddress } from '../../settings/index.ts';
import { CONNECT, type DatabaseClient } from '../client.ts';
import { Clients } from '../clients.ts';
import { checkReader, readerModule } from './client.ts';

/** An order as it is read for people. */
export interface OrderRow {
	id: string;
	owner: string;
	productName: string;
	/** minor units; the driver gives bigints as text */
	amount: string;
	currency: string;
	status: OrderStatus;
	createdAt: Date;
	pendingUntil: Date;
	holdExpiresAt: Date | null;
	confirmedAt: Date | null;
	cancelledAt: Date | null;
	shippedAt: Date | null;
	failedAt: Date | null;
	failureReason: string | null;
	sweepAt: Date | null;
	payment: { status: PaymentStatus } | null;
	/** the database's clock at the reading; no column */
	now: Date;
}

/** An event as it is read for people. */
export interface EventRow {
	orderId: string;
	sequence: number;
	id: string;
	type: EventType;
	occurredAt: Date;
	data: Record<string, unknown>;
}

export interface Models {
	readonly sequelize: Sequelize;
	readonly orders: ModelStatic<Model<OrderRow>>;
	readonly events: ModelStatic<Model<EventRow>>;
	/** ends what is under way, whether it gets an answer or not */
	cutOff(): void;
	close(): Promise<void>;
}

const READERS = 5;

/** The models that reading goes through. Nothing is written here: that is the unit of work's. */
export function defineModels(address: DatabaseAddress): Models {
	const clients = new Clients();
	const sequelize = new Sequelize({
		dialect: 'postgres',
		// Where to connect is the module's business; this keeps Sequelize from asking the environment or a session.
		dialectModule: readerModule(address, clients),
		databaseVersion: '14.0.0',
		keepDefaultTimezone: true,
		dialectOptions: { clientMinMessages: 'ignore' },
		logging: false,
		pool: { max: READERS, acquire: CONNECT },
		define: { timestamps: false, underscored: true, freezeTableName: true },
	} as Options);
	sequelize.addHook('afterConnect', (client) => checkReader(client as DatabaseClient));
	// Functions, since Sequelize writes into each column's definition.
	const text = () => ({ type: DataTypes.TEXT, allowNull: false });
	const moment = () => ({ type: DataTypes.DATE, allowNull: false });
	const maybe = () => ({ type: DataTypes.DATE });
	const payments = sequelize.define('payments', {
		orderId: { type: DataTypes.UUID, primaryKey: true },
		status: text(),
	});
	const orders = sequelize.define<Model<OrderRow>>('orders', {
		id: { type: DataTypes.UUID, primaryKey: true },
		owner: text(),
		productName: text(),
		amount: { type: DataTypes.BIGINT, allowNull: false },
		currency: text(),
		status: text(),
		createdAt: moment(),
		pendingUntil: moment(),
		holdExpiresAt: maybe(),
		confirmedAt: maybe(),
		cancelledAt: maybe(),
		shippedAt: maybe(),
		failedAt: maybe(),
		failureReason: { type: DataTypes.TEXT },
		sweepAt: maybe(),
	} as never);
	orders.hasOne(payments, { foreignKey: 'orderId', as: 'payment', constraints: false });
	orders.addScope(
		'defaultScope',
		{
			attributes: { include: [[Sequelize.literal('clock_timestamp()'), 'now']] },
			include: [{ model: payments, as: 'payment', attributes: ['status'] }],
		},
		{ override: true },
	);
	const events = sequelize.define<Model<EventRow>>('order_events', {
		orderId: { type: DataTypes.UUID, primaryKey: true },
		sequence: { type: DataTypes.INTEGER, primaryKey: true },
		id: { type: DataTypes.UUID, allowNull: false },
		type: text(),
		occurredAt: moment(),
		data: { type: DataTypes.JSON, allowNull: false },
	});
	const cutOff = (): void => clients.cutOff();
	return { sequelize, orders, events, cutOff, close: () => clients.atEnd(sequelize.close()) };
}
