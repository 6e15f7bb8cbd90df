import type { Service } from 'moleculer';
import type { Moment } from '../../domain/commands.ts';
import type { Order } from '../../domain/order.ts';
import type { Cause } from '../observability/index.ts';
import type { WithOutbox } from '../outbox/index.ts';
import type { Platform } from '../platform.ts';
import { defineMixin, type Mixin, type WithPlatform } from '../service.ts';
import { Calls, type Done, STOP_PATIENCE } from './calls.ts';
import { storing } from './outcomes.ts';

/** The most calls at once in one process. */
const SLOTS = 500;

/** What a call is about. */
interface OfOrder {
	readonly orderId: string;
}
/** The outcome of a call that threw or took too long. */
export interface Unknown {
	readonly kind: 'unknown';
	readonly reason: string;
}

/** Makes a call; see `CallsOptions.perform`. */
export type Perform<C, O> = (
	this: Service & WithPlatform,
	call: C,
	isInTime: () => boolean,
	signal: AbortSignal,
	cause: Cause,
) => Promise<O>;

/** Applies the outcome of a call to its order, and returns the order's next call, or null; `afterCommit` runs then. */
export type Settle<C, O> = (
	order: Order,
	done: Done<C, O | Unknown>,
	moment: Moment,
	afterCommit: (action: () => void) => void,
) => C | null;

export interface CallsMixinOptions<S extends string, C, O> {
	readonly perform: Perform<C, O>;
	/** the method that applies the outcome of a call */
	readonly settle: S;
	/** the most calls at once in one process, if they are fewer than 500 */
	readonly most?: (platform: Platform) => number;
}

/**
 * `this[name]`: calls to the outside that must happen once. Their intent is committed before, with the order (`inbox`
 * does that); the outcome is committed together with the next intent. A call that a crash has cut off is repeated,
 * under the same key.
 */
export const calls = <const N extends string, const S extends string, C extends OfOrder, O>(
	name: N,
	{ perform, settle, most = () => SLOTS }: CallsMixinOptions<S, C, O>,
): Mixin<Record<N, Calls<C, O | Unknown>>, Record<S, Settle<C, O>>> =>
	defineMixin<Record<string, unknown>, Record<S, Settle<C, O>>, WithOutbox>({
		created() {
			const { logger: log, outbox } = this;
			if (outbox === undefined) throw new Error(`${this.name}: outbox() has to stand behind calls() among the mixins`);
			const made = new Calls<C, O | Unknown>({
				slots: Math.min(SLOTS, most(this.platform)),
				timeout: this.platform.settings.providerTimeout,
				perform: (...call) => perform.apply(this, call),
				unknown: (reason) => ({ kind: 'unknown', reason }),
				store: storing(`${this.name}.outcome`, { log, outbox, settle: this[settle] }),
				log,
			});
			Object.assign(this, { [name]: made });
		},
		async stopped() {
			const { [name]: made } = this as Record<string, unknown>;
			await (made as Calls<C, O | Unknown>).idle(STOP_PATIENCE);
		},
	}) as Mixin<Record<N, Calls<C, O | Unknown>>, Record<S, Settle<C, O>>>;
