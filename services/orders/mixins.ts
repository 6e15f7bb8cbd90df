/** The mixins of the orders service, except for reading. */
import type { Context } from 'moleculer';
import type { Moment } from '../../domain/commands.ts';
import type { Refusal } from '../../domain/errors.ts';
import type { Order } from '../../domain/order.ts';
import type { Result } from '../../domain/result.ts';
import { type Instant, SECOND } from '../../domain/time.ts';
import { Busy, CallTooLate, isInTime } from '../../mixins/cluster/index.ts';
import type { Change, WithOutbox } from '../../mixins/outbox/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { callerOf, type Meta, maySee } from './caller.ts';
import { notFound, refusalError } from './errors.ts';
import { WAITS_OVER } from './long-poll.ts';
import { type OrderDto, orderToDto } from './order-dto.ts';
import { OrderWatch } from './order-watch.ts';
import { Intake } from './placing.ts';
import { Turns } from './turns.ts';

export interface WithPlacing {
	intake: Intake<OrderDto>;
}

/** `this.intake`: places orders, those that arrive together in one transaction. */
export const placing = (): Mixin<WithPlacing> =>
	defineMixin<WithPlacing>({
		created() {
			this.intake = new Intake<OrderDto>(this.platform.database, this.platform.stored);
		},
		async stopped() {
			await this.intake.drained();
		},
	});

export interface WithLongPolls {
	watch: OrderWatch;
	hint: (orderIds: readonly string[]) => void;
}

/** `this.watch`: lets requests wait for orders to change. */
export const longPolls = (): Mixin<WithLongPolls> =>
	defineMixin<WithLongPolls>({
		events: {
			[WAITS_OVER]: {
				params: { tickets: { type: 'array', items: 'string' } },
				handler({ params }: Context<{ tickets: string[] }>): void {
					this.watch.end(params.tickets);
				},
			},
		},
		methods: {
			/** Ends long polls before Moleculer waits for calls in progress. */
			drain(): void {
				this.watch.endAll();
			},
		},
		created() {
			this.watch = new OrderWatch(this.platform.database, this.logger);
			this.hint = (orderIds) => this.watch.hint(orderIds);
		},
		started() {
			this.platform.signals.on('outbox.stored', this.hint);
			this.watch.start();
		},
		async stopped() {
			this.platform.signals.off('outbox.stored', this.hint);
			await this.watch.stop();
		},
	});

/** How many commands of one order wait in a process, and how long each. */
const TURNS = { most: 250, patience: 5 * SECOND };

export type Command = (order: Order, moment: Moment) => Result<void, Refusal>;

/** The result of a command, and the database's clock at the decision. */
interface Decided {
	readonly order: Order;
	readonly result: Result<void, Refusal>;
	readonly now: Instant;
}

export interface WithChanging {
	turns: Turns;
	/** Throws if the caller may see no such order, or if the order refuses. */
	change: (ctx: Context<{ id: string }, Meta>, command: Command) => Promise<OrderDto>;
}

/** `this.change`: one command on one order. Commands of one order share one connection, however many they are. */
export const changing = (): Mixin<WithChanging> =>
	defineMixin<WithChanging, object, WithOutbox>({
		created() {
			this.turns = new Turns({ ...TURNS, refusal: () => new Busy('Too many want to change this order.') });
			this.change = async (ctx, command) => {
				const { id } = ctx.params;
				const decided = await this.turns.take(id, async () => {
					if (!isInTime(ctx)) throw new CallTooLate();
					return this.outbox.transaction('orders.change', deciding(ctx, command));
				});
				ctx.meta.now = decided.now;
				const { result, order } = decided;
				if (!result.ok) throw refusalError(result.error);
				return orderToDto(order, callerOf(ctx.meta));
			};
		},
	});

const deciding =
	(ctx: Context<{ id: string }, Meta>, command: Command): Change<Decided> =>
	async (work, _tx, tries) => {
		const caller = callerOf(ctx.meta);
		const { id } = ctx.params;
		const { orders, busy } = await work.lockSoon([id], tries === 1);
		if (busy.has(id)) throw new Busy('Somebody else works on this order.');
		const order = orders.get(id);
		if (!isInTime(ctx)) throw new CallTooLate(); // checked here: after this only the commit can wait
		if (order === undefined || !maySee(caller, order.record.owner)) throw notFound();
		work.trace(id, ctx.meta.traceparent ?? null);
		const result = command(order, work.moment);
		work.save();
		return { order, result, now: work.moment.now };
	};
