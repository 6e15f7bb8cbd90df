import {
	type DataType,
	DataTypes,
	type Model,
	type ModelAttributes,
	type ModelStatic,
	type Options,
	Sequelize,
} from 'sequelize';
import type { EventType } from '../../../domain/events.ts';
import type { DatabaseAddress } from '../../settings/index.ts';
import { CONNECT, type DatabaseClient } from '../client.ts';
import { Clients } from '../clients.ts';
import type { Columns, Kind } from '../columns.ts';
import {
	EVENT,
	ORDER,
	SHOWN_ORDER,
	SHOWN_PAYMENT,
	type ShownOrder,
	type ShownPayment,
	TRIED_PAYMENT,
	type TriedPayment,
} from '../orders-columns.ts';
import { SHOWN_REFUND, type RefundRow as StoredRefund, TRIED_REFUND } from '../refunds-store.ts';
import { checkReader, readerModule } from './client.ts';

/** Values as Sequelize has them: moments are dates, and bigints are text. */
type Read<Row> = {
	[Name in keyof Row]: Row[Name] extends bigint
		? string
		: number extends Row[Name]
			? NotYet<Row[Name]> | Date
			: Row[Name];
};
type NotYet<Value> = Exclude<Value, number>;

/** An order as it is read for people. */
export interface OrderRow extends Read<ShownOrder> {
	payment: Read<ShownPayment> | null;
	/** the database's clock at the reading; no column */
	now: Date;
}

/** A refund as it is read for people. */
export type RefundRow = Read<Pick<StoredRefund, keyof typeof SHOWN_REFUND | keyof typeof TRIED_REFUND>>;

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
	readonly refunds: ModelStatic<Model<RefundRow>>;
	readonly payments: ModelStatic<Model<TriedPayment & { readonly orderId: string }>>;
	/** ends what is under way, whether it gets an answer or not */
	cutOff(): void;
	close(): Promise<void>;
}

const READERS = 5;

const TYPES: Readonly<Record<Kind, DataType>> = {
	uuid: DataTypes.UUID,
	word: DataTypes.TEXT,
	text: DataTypes.TEXT,
	int: DataTypes.INTEGER,
	bigint: DataTypes.BIGINT,
	moment: DataTypes.DATE,
	json: DataTypes.JSON,
};

function modelled<Row extends object>(columns: Columns, ...key: readonly string[]): ModelAttributes<Model<Row>, Row> {
	const attributes = Object.entries(columns).map(([name, kind]) => {
		return [name, { type: TYPES[kind], primaryKey: key.includes(name) }];
	});
	return Object.fromEntries(attributes);
}

/** The models for reading. Writing is done by the unit of work only. */
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
	const { orderId, ...shown } = SHOWN_PAYMENT;
	const payments = sequelize.define<Model<TriedPayment & { readonly orderId: string }>>(
		'payments',
		modelled({ orderId, ...shown, ...TRIED_PAYMENT }, 'orderId'),
	);
	const { sweepAt } = ORDER; // orders are listed by it
	const orders = sequelize.define<Model<OrderRow>>('orders', modelled({ ...SHOWN_ORDER, sweepAt }, 'id'));
	orders.hasOne(payments, { foreignKey: 'orderId', as: 'payment', constraints: false });
	orders.addScope(
		'defaultScope',
		{
			attributes: { include: [[Sequelize.literal('clock_timestamp()'), 'now']] },
			include: [{ model: payments, as: 'payment', attributes: Object.keys(shown) }],
		},
		{ override: true },
	);
	const events = sequelize.define<Model<EventRow>>('order_events', modelled(EVENT, 'orderId', 'sequence'));
	const refunds = sequelize.define<Model<RefundRow>>('refunds', modelled({ ...SHOWN_REFUND, ...TRIED_REFUND }, 'id'));
	const cutOff = (): void => clients.cutOff();
	return { sequelize, orders, events, payments, refunds, cutOff, close: () => clients.atEnd(sequelize.close()) };
}
