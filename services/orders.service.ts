import { type Context, Errors, type Service, type ServiceSchema } from 'moleculer';
import { Op } from 'sequelize';
import type { Moment } from '../domain/commands.ts';
import type { Refusal } from '../domain/errors.ts';
import type { Order } from '../domain/order.ts';
import type { OrderStatus } from '../domain/order-record.ts';
import type { Result } from '../domain/result.ts';
import { type Instant, SECOND } from '../domain/time.ts';
import { Busy, CallTooLate, isInTime, READ_POLICY } from '../mixins/cluster/index.ts';
import { readClock, type Transaction } from '../mixins/database/index.ts';
import { type Models, type OrderRow, type Reads, reading, readMixin } from '../mixins/database/reading/index.ts';
import { UnitOfWork } from '../mixins/outbox/index.ts';
import type { Platform } from '../mixins/platform.ts';
import { callerOf, isAdmin, type Meta, maySee } from './orders/caller.ts';
import { cursorOfId, cursorOfSequence, idOfCursor, sequenceOfCursor } from './orders/cursor.ts';
import { dateOf, etagOf, isKnown, WAITS_OVER, waitForChange } from './orders/long-poll.ts';
import { readNewOrder } from './orders/new-order.ts';
import { type OrderDto, orderToDto, rowToDto, viewToDto } from './orders/order-dto.ts';
import { OrderWatch } from './orders/order-watch.ts';
import {
	CREATE_PARAMS,
	type CreateParams,
	GET_PARAMS,
	type GetParams,
	HISTORY_PARAMS,
	type HistoryParams,
	ID_PARAMS,
	LIST_PARAMS,
	type ListParams,
} from './orders/params.ts';
import { Intake } from './orders/placing.ts';
import { Turns } from './orders/turns.ts';

/** What `this` is in the handlers, beside a Moleculer service. */
interface Self extends Service {
	readonly adapter: Reads<OrderRow>;
}

type IdContext = Context<{ id: string }, Meta>;

/** How many commands of one order wait in a process, and how long each. */
const TURNS = { most: 250, patience: 5 * SECOND };

/** What became of a command, and the database's clock as it was decided. */
interface Decided {
	readonly order: Order;
	readonly result: Result<void, Refusal>;
	readonly now: Instant;
}

/** Creates, reads, and takes the buyer's word: cancel, hold, resume. */
export function ordersService(platform: Platform, models: Models): ServiceSchema {
	const { database, settings, stored } = platform;
	const intake = new Intake<OrderDto>(database, stored);
	const turns = new Turns({ ...TURNS, refusal: () => new Busy('Too many want to change this order.') });

	const watch = new OrderWatch(database, platform.log('orders'));
	const hint = (orderIds: readonly string[]): void => watch.hint(orderIds);

	async function read(self: Self, ctx: IdContext): Promise<OrderRow> {
		const caller = callerOf(ctx.meta);
		const row = (await reading(database, () => self.adapter.findById(ctx.params.id)))?.get({ plain: true });
		if (row === undefined || !maySee(caller, row.owner)) throw notFound();
		return row;
	}

	/** null where the caller has the order as it is. */
	async function get(self: Self, ctx: Context<GetParams, Meta>): Promise<OrderDto | null> {
		const { params, meta } = ctx;
		const waits = params.wait !== undefined && !watch.isFull;
		if (params.wait) ctx.locals.meteredAs = 'orders.get (waiting)';
		const found = waits ? await waitForChange(watch, callerOf(meta), params, meta.waitTicket) : await read(self, ctx);
		if (found === undefined) throw notFound();
		const order = 'version' in found ? viewToDto(found) : rowToDto(found);
		const etag = etagOf(order);
		meta.$responseHeaders = { Date: dateOf(found.now), ETag: etag };
		if (waits) meta.$responseHeaders['Preference-Applied'] = `wait=${params.wait}`;
		if (!isKnown(etag, params.ifNoneMatch ?? [])) return order;
		meta.$statusCode = 304;
		return null;
	}

	/** One command on one order: lock, decide, save. Commands of one order take one connection, however many they are. */
	async function change(
		ctx: IdContext,
		command: (order: Order, moment: Moment) => Result<void, Refusal>,
	): Promise<OrderDto> {
		const caller = callerOf(ctx.meta);
		const { id } = ctx.params;
		let tries = 0;
		const decide = async (tx: Transaction): Promise<Decided> => {
			const work = new UnitOfWork(tx, stored);
			tries += 1;
			const { orders, busy } = await work.lockSoon([id], tries === 1);
			if (busy.has(id)) throw new Busy('Somebody else works on this order.');
			const found = orders.get(id);
			if (!isInTime(ctx)) throw new CallTooLate(); // here, after all that waits but the commit
			if (found === undefined || !maySee(caller, found.record.owner)) throw notFound();
			work.trace(id, ctx.meta.traceparent ?? null);
			const outcome = command(found, work.moment);
			work.save();
			return { order: found, result: outcome, now: work.moment.now };
		};
		const { order, result, now } = await turns.take(id, async () => {
			if (!isInTime(ctx)) throw new CallTooLate();
			return database.transaction('orders.change', decide);
		});
		ctx.meta.$responseHeaders = { Date: dateOf(now) };
		if (!result.ok) throw new Errors.MoleculerClientError(result.error.message, 409, result.error.code);
		return orderToDto(order);
	}

	const schema: ServiceSchema<object, object, object, Self> = {
		name: 'orders',
		mixins: [readMixin(models.orders)],
		actions: {
			create: {
				// What is refused today may have been taken yesterday, and is answered then.
				params: { ...CREATE_PARAMS, 'x-checked-by-handler': true },
				async handler(ctx: Context<CreateParams, Meta>): Promise<OrderDto> {
					const { params, meta } = ctx;
					const { subject } = callerOf(meta);
					const { command, idempotency } = readNewOrder(params, subject, settings);
					const placed = await intake.place({
						caller: subject,
						command,
						idempotency,
						traceparent: meta.traceparent ?? null,
						isInTime: () => isInTime(ctx),
						answer: orderToDto,
					});
					switch (placed.kind) {
						case 'failed':
							throw placed.error;
						case 'key-reused':
							throw new Errors.MoleculerClientError(
								'This Idempotency-Key was used for another request.',
								422,
								'Idempotency.KeyReused',
							);
						case 'in-progress':
							throw new Errors.MoleculerClientError(
								'A request with this Idempotency-Key is still running.',
								409,
								'Idempotency.InProgress',
							);
						default: {
							const order = placed.answer;
							meta.$statusCode = 201;
							meta.$location = `/orders/${order.id}`;
							const isReplay = placed.kind === 'replayed';
							const now = isReplay ? await readClock(database) : new Date(order.createdAt);
							meta.$responseHeaders = { Date: dateOf(now), ...(isReplay ? { 'Idempotent-Replayed': 'true' } : {}) };
							return order;
						}
					}
				},
			},
			get: {
				params: GET_PARAMS,
				retryPolicy: READ_POLICY,
				// Those who wait are many and cost memory only: the watch bounds them, and the pool's patience the reads.
				bulkhead: { enabled: false },
				handler(this: Self, ctx: Context<GetParams, Meta>): Promise<OrderDto | null> {
					return get(this, ctx);
				},
			},
			list: {
				params: LIST_PARAMS,
				retryPolicy: READ_POLICY,
				async handler(this: Self, ctx: Context<ListParams, Meta>) {
					const caller = callerOf(ctx.meta);
					const { status, limit, cursor } = ctx.params;
					const before = cursor === undefined ? undefined : idOfCursor(cursor);
					const rows = await reading(database, () =>
						this.adapter.find({
							query: {
								...(status === undefined ? {} : { status }),
								...(status === undefined ? {} : NARROWED[status]),
								...(before === undefined ? {} : { id: { [Op.lt]: before } }),
								...(isAdmin(caller) ? {} : { owner: caller.subject }),
							},
							sort: '-id',
							limit: limit + 1,
						}),
					);
					const found = rows.slice(0, limit).map((row) => row.get({ plain: true }));
					const data = found.map(rowToDto);
					if (found[0] !== undefined) ctx.meta.$responseHeaders = { Date: dateOf(found[0].now) };
					const last = data.at(-1);
					return { data, nextCursor: rows.length > limit && last !== undefined ? cursorOfId(last.id) : null };
				},
			},
			history: {
				params: HISTORY_PARAMS,
				retryPolicy: READ_POLICY,
				async handler(this: Self, ctx: Context<HistoryParams, Meta>) {
					const { now } = await read(this, ctx);
					ctx.meta.$responseHeaders = { Date: dateOf(now) };
					const { id: orderId, limit, cursor } = ctx.params;
					const after = cursor === undefined ? 0 : sequenceOfCursor(cursor);
					const rows = await reading(database, () =>
						models.events.findAll({
							where: { orderId, sequence: { [Op.gt]: after } },
							order: [['sequence', 'ASC']],
							limit: limit + 1,
						}),
					);
					const data = rows.slice(0, limit).map((row) => {
						const { id, type, occurredAt, sequence, data: event } = row.get({ plain: true });
						return { id, type, occurredAt: occurredAt.toISOString(), sequence, data: event };
					});
					const last = data.at(-1);
					return { data, nextCursor: rows.length > limit && last ? cursorOfSequence(last.sequence) : null };
				},
			},
			cancel: {
				params: ID_PARAMS,
				async handler(ctx: IdContext): Promise<OrderDto> {
					const order = await change(ctx, (found, moment) => found.cancel(moment));
					ctx.meta.$statusCode = 202;
					return order;
				},
			},
			hold: {
				params: ID_PARAMS,
				handler: (ctx: IdContext): Promise<OrderDto> =>
					change(ctx, (found, moment) => found.hold(moment, settings.holdLimit)),
			},
			resume: {
				params: ID_PARAMS,
				handler: (ctx: IdContext): Promise<OrderDto> => change(ctx, (found, moment) => found.resume(moment)),
			},
		},
		events: {
			[WAITS_OVER]: {
				params: { tickets: { type: 'array', items: 'string' } },
				handler: ({ params }: Context<{ tickets: string[] }>): void => watch.end(params.tickets),
			},
		},
		created() {
			// Before Moleculer waits for the calls under way: those that wait have their answer now.
			this.broker.middlewares.add({
				name: 'OrdersWaits',
				serviceStopping: async (service: Service) => {
					if (service.name === 'orders') watch.endAll();
				},
			});
		},
		async started() {
			platform.signals.on('outbox.stored', hint);
			watch.start();
		},
		async stopped() {
			platform.signals.off('outbox.stored', hint);
			await watch.stop();
			await intake.drained();
		},
	};
	return schema as unknown as ServiceSchema;
}

const IS_SET = { [Op.ne]: null };

/** What else is true of a state, and lets a small index serve, where its orders are few among many. */
const NARROWED: Readonly<Record<OrderStatus, object>> = {
	Pending: { sweepAt: IS_SET },
	OnHold: { sweepAt: IS_SET },
	CancelRequested: { sweepAt: IS_SET },
	Confirmed: { sweepAt: IS_SET },
	Cancelled: { cancelledAt: IS_SET },
	PaymentFailed: { failedAt: IS_SET },
	Shipped: {},
};

const notFound = (): Error => new Errors.MoleculerClientError('There is no such order.', 404, 'Orders.NotFound');
