/** The mixins of the orders service, except for reading. */
import type { Context } from 'moleculer';
import { SECOND } from '../../domain/time.ts';
import { Busy, CallTooLate, isInTime } from '../../mixins/cluster/index.ts';
import type { WithOutbox } from '../../mixins/outbox/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { callerOf, type Meta } from './caller.ts';
import { type Command, type CommandRequest, Commands } from './commanding.ts';
import { refusalError } from './errors.ts';
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
			this.intake = new Intake<OrderDto>(this.platform.database, this.platform.outgoing);
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

export interface WithChanging {
	turns: Turns;
	commands: Commands;
	/** Throws if the caller may see no such order, or if the order refuses. */
	change: (ctx: Context<{ id: string }, Meta>, command: Command) => Promise<OrderDto>;
}

/** `this.change`: one command on one order. Commands of one order go one after the other, however many they are. */
export const changing = (): Mixin<WithChanging> =>
	defineMixin<WithChanging, object, WithOutbox>({
		created() {
			this.turns = new Turns({ ...TURNS, refusal: () => new Busy('Too many want to change this order.') });
			this.commands = new Commands(this.outbox);
			this.change = async (ctx, command) => {
				const { id } = ctx.params;
				const caller = callerOf(ctx.meta);
				const request: CommandRequest = {
					...{ id, caller, command, traceparent: ctx.meta.traceparent ?? null },
					isInTime: () => isInTime(ctx),
				};
				const { result, order, now } = await this.turns.take(id, async () => {
					if (!isInTime(ctx)) throw new CallTooLate();
					return this.commands.carryOut(request);
				});
				ctx.meta.now = now;
				if (!result.ok) throw refusalError(result.error);
				return orderToDto(order, caller);
			};
		},
	});
