/** Reading orders through moleculer-db and Sequelize's models. */
import { Op } from 'sequelize';
import type { Attempt } from '../../domain/attempts.ts';
import type { OrderStatus } from '../../domain/order-record.ts';
import {
	defineModels,
	type EventRow,
	type Models,
	type OrderRow,
	type Reads,
	readMixin,
	reading as reads,
} from '../../mixins/database/reading/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { type Caller, isAdmin, maySee } from './caller.ts';
import { cursorOfId, cursorOfSequence, idOfCursor, sequenceOfCursor } from './cursor.ts';
import { notFound } from './errors.ts';
import { type OrderDto, rowToDto } from './order-dto.ts';
import type { HistoryParams, ListParams } from './params.ts';

/** A page of a list. */
export interface Page<T> {
	readonly data: readonly T[];
	/** what the next page begins with; null after the last one */
	readonly nextCursor: string | null;
}

export interface EventDto extends Pick<EventRow, 'id' | 'type' | 'sequence' | 'data'> {
	readonly occurredAt: string;
}

/** A page of what happened to an order, and what is tried for its payment and its refunds at the moment. */
export interface History extends Page<EventDto> {
	/** of the operations whose outcomes are not known yet; what was tried for the others stands in their events */
	readonly attempts: readonly Attempt[];
	/** the provider's page of the payment, for the merchant's people; null for others, and where there is none */
	readonly paymentPage: string | null;
}

export interface WithReading {
	readonly adapter: Reads<OrderRow>;
	models: Models;
	/** the order; throws if the caller may see no such order */
	readOrder: (caller: Caller, id: string) => Promise<OrderRow>;
	/** the caller's orders, the newest first, and the clock at their reading, if there are any */
	readPage: (caller: Caller, params: ListParams) => Promise<{ readonly page: Page<OrderDto>; readonly now?: Date }>;
	/** what happened to the order, in its order */
	readHistory: (caller: Caller, params: HistoryParams) => Promise<History>;
}

/** `this.readOrder`, `this.readPage`, `this.readHistory`: through the reading pool, never through the writing one. */
export const reading = (): Mixin<WithReading> =>
	defineMixin<WithReading>({
		mixins: [readMixin('orders')],
		created() {
			const { address, database, provider, readers } = this.platform;
			const models = defineModels(address);
			this.models = models;
			readers.add(models);
			this.readOrder = async (caller, id) => {
				const row = (await reads(database, () => this.adapter.findById(id)))?.get({ plain: true });
				if (row === undefined || !maySee(caller, row.owner)) throw notFound();
				return row;
			};
			this.readPage = async (caller, params) => {
				const { limit } = params;
				const filter = { query: filterOf(caller, params), sort: '-id', limit: limit + 1 };
				const rows = (await reads(database, () => this.adapter.find(filter))).map((row) => row.get({ plain: true }));
				const page = pageOf(
					rows.map((row) => rowToDto(row, caller)),
					limit,
					({ id }) => cursorOfId(id),
				);
				return rows[0] === undefined ? { page } : { page, now: rows[0].now };
			};
			this.readHistory = async (caller, { id: orderId, limit, cursor }) => {
				const after = cursor === undefined ? 0 : sequenceOfCursor(cursor);
				const where = { orderId, sequence: { [Op.gt]: after } };
				const [rows, payment, refunds] = await reads(database, () =>
					Promise.all([
						models.events.findAll({ where, order: [['sequence', 'ASC']], limit: limit + 1 }),
						models.payments.findByPk(orderId, { attributes: ['reference', 'tried'] }),
						models.refunds.findAll({
							where: { orderId, tried: IS_SET },
							attributes: ['tried'],
							order: [['id', 'ASC']],
						}),
					]),
				);
				const { reference = null, tried = null } = payment?.get({ plain: true }) ?? {};
				const events = rows.map((row) => eventToDto(row.get({ plain: true })));
				return {
					...pageOf(events, limit, ({ sequence }) => cursorOfSequence(sequence)),
					attempts: [tried, ...refunds.map((refund) => refund.get({ plain: true }).tried)].flatMap(attemptsOf),
					paymentPage: reference !== null && isAdmin(caller) ? provider.pageOf(reference) : null,
				};
			};
		},
		async stopped() {
			this.platform.readers.delete(this.models);
			await this.models.close();
		},
	});

/** A page of `limit` rows, of which one more was read than it shows. */
function pageOf<T>(rows: readonly T[], limit: number, cursorOf: (last: T) => string): Page<T> {
	const data = rows.slice(0, limit);
	const last = data.at(-1);
	return { data, nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}

function filterOf(caller: Caller, { status, cursor }: ListParams): Readonly<Record<string, unknown>> {
	return {
		...(status === undefined ? {} : { status, ...NARROWED[status] }),
		...(cursor === undefined ? {} : { id: { [Op.lt]: idOfCursor(cursor) } }),
		...(isAdmin(caller) ? {} : { owner: caller.subject }),
	};
}

const IS_SET = { [Op.ne]: null };

/** A further condition that is true for a state, so that a small index finds its few orders. */
const NARROWED: Readonly<Record<OrderStatus, object>> = {
	Pending: { sweepAt: IS_SET },
	OnHold: { sweepAt: IS_SET },
	CancelRequested: { sweepAt: IS_SET },
	Confirmed: { sweepAt: IS_SET },
	Cancelled: { cancelledAt: IS_SET },
	PaymentFailed: { failedAt: IS_SET },
	Shipped: {},
};

const attemptsOf = (tried: string | null): readonly Attempt[] => (tried === null ? [] : JSON.parse(tried));

const eventToDto = ({ id, type, occurredAt, sequence, data }: EventRow): EventDto => ({
	id,
	type,
	occurredAt: occurredAt.toISOString(),
	sequence,
	data,
});
