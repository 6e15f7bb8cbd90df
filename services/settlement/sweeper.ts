import type { PaymentCall } from '../../domain/commands.ts';
import type { Order } from '../../domain/order.ts';
import { type Duration, type Instant, SECOND } from '../../domain/time.ts';
import { type Caused, stamp } from '../../mixins/calls/index.ts';
import {
	firstLookBefore,
	IMPATIENT,
	isNobodysFault,
	limited,
	lookForOverdue,
	type Transaction,
} from '../../mixins/database/index.ts';
import { pausesOf } from '../../mixins/inbox/index.ts';
import type { OpenSpan } from '../../mixins/observability/index.ts';
import { Outbox, type UnitOfWork } from '../../mixins/outbox/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import { bisect, errorMessage, type Log, LowWater, tell } from '../../mixins/runtime/index.ts';
import { Avoided } from './avoided.ts';
import { nextCall, type PaymentCalls } from './payment-calls.ts';

/** The most orders in one look. */
const BATCH = 200;
/** How often it looks. */
export const SWEEP_EVERY: Duration = SECOND;

/** What the transactions of one look have done. */
interface Done {
	found: number;
	readonly calls: Caused<PaymentCall>[];
}

/** The same of one transaction. */
interface Tended {
	found: number;
	readonly calls: Caused<PaymentCall>[];
	readonly spans: OpenSpan[];
}

type Lock = (tx: Transaction, work: UnitOfWork) => Promise<ReadonlyMap<string, Order>>;

export interface Swept {
	/** orders that had waited too long */
	readonly found: number;
	/** provider calls started or repeated for them */
	readonly calls: number;
}

/**
 * Finds orders whose wake-up or event was lost, in every unfinished state, and does what the message would have caused.
 */
export class Sweeper {
	readonly #platform: Platform;
	readonly #outbox: Outbox;
	readonly #calls: PaymentCalls;
	readonly #log: Log;
	readonly #carrierIsBehind: () => boolean;
	readonly #pauses: ReturnType<typeof pausesOf>;
	readonly #lowWater = new LowWater<Instant>(Number.NEGATIVE_INFINITY);
	readonly #avoided = new Avoided();

	/** `carrierIsBehind`: the carrier is working off a backlog, so due orders are left to it. */
	constructor(platform: Platform, calls: PaymentCalls, log: Log, carrierIsBehind: () => boolean) {
		this.#platform = platform;
		this.#outbox = new Outbox(platform.database, platform.outgoing);
		this.#calls = calls;
		this.#log = log;
		this.#carrierIsBehind = carrierIsBehind;
		this.#pauses = pausesOf(platform);
	}

	/**
	 * Looks once, at one batch at most. If the batch cannot be saved, the order that is to blame is found and skipped.
	 */
	async sweep(): Promise<Swept> {
		await this.#pauses.known();
		if (!(await this.#hasFound())) return { found: 0, calls: 0 };
		const slots = this.#calls.slots.tryAcquire(BATCH);
		const since = stamp();
		const done: Done = { found: 0, calls: [] };
		try {
			await this.#sweepAll(done, slots);
		} finally {
			this.#calls.slots.release(slots - done.calls.length);
			for (const { call, cause } of done.calls) this.#calls.start(call, since, cause);
		}
		this.#platform.metrics.swept(done.found);
		if (done.found > 0) this.#log.debug(`${done.found} orders had waited too long`);
		return { found: done.found, calls: done.calls.length };
	}

	/** True if an order's `sweep_at` lies before the point where `sweep` begins; that point is moved back to it. */
	async lookBack(): Promise<boolean> {
		const [row] = await this.#platform.database.query<{ look: Instant }>(firstLookBefore(this.#lowWater.place));
		if (row !== undefined) this.#lowWater.lower(row.look - 1); // it was rounded
		return row !== undefined;
	}

	/** A look that finds nothing needs no transaction. */
	async #hasFound(): Promise<boolean> {
		const statement = lookForOverdue(this.#lowWater.place);
		const [look] = await this.#platform.database.query<{ now: Instant; found: boolean }>(statement);
		if (look?.found === false) this.#lowWater.reached(look.now, false);
		return look?.found !== false;
	}

	async #sweepAll(done: Done, slots: number): Promise<void> {
		const which = this.#carrierIsBehind() ? 'not pending' : 'all';
		const overdue = { most: BATCH, which, from: this.#lowWater.place, except: this.#avoided.now } as const;
		let ids: string[] = [];
		try {
			const now = await this.#tendTo(done, slots, async (_tx, work) => {
				const orders = await work.lockOverdue(overdue);
				ids = [...orders.keys()];
				return orders;
			});
			// Everything due was seen, unless orders were skipped.
			if (ids.length < BATCH && which === 'all' && overdue.except.length === 0) this.#lowWater.reached(now, false);
		} catch (error) {
			if (ids.length === 0 || isNobodysFault(error)) throw error;
			await this.#sweepApart(done, slots, ids);
		}
	}

	async #sweepApart(done: Done, slots: number, ids: readonly string[]): Promise<void> {
		const failed: string[] = [];
		await bisect(
			ids,
			limited(async (group) => {
				await this.#tendTo(done, slots, async (tx, work) => {
					await tx.query(IMPATIENT);
					return (await work.lockFree(group)).orders;
				});
			}),
			(id, error) => {
				tell(this.#log, 'error', `order ${id} could not be saved by the sweeper`, error);
				failed.push(id);
			},
			isNobodysFault,
		).finally(() => this.#platform.metrics.notSwept(failed.length));
		for (const id of failed) await this.#moveOn(id);
	}

	/**
	 * Moves only the order's `sweep_at` on. If not even that can be saved, this process skips the order for that long.
	 */
	async #moveOn(id: string): Promise<void> {
		this.#avoided.add(id);
		await this.#outbox
			.transaction('settlement.sweep', async (work, tx) => {
				await tx.query(IMPATIENT);
				const { orders } = await work.lockFree([id]);
				orders.get(id)?.found(work.moment.now);
				work.save();
			})
			.catch((error: unknown) =>
				this.#log.debug(`order ${id}: its next look could not be moved on: ${errorMessage(error)}`),
			);
	}

	/** One transaction for these orders; returns its clock. */
	async #tendTo(done: Done, slots: number, lock: Lock): Promise<Instant> {
		const swept = await this.#outbox.transaction('settlement.sweep', async (work, tx) => {
			const tended: Tended = { found: 0, calls: [], spans: [] };
			for (const [id, order] of await lock(tx, work)) this.#tend(work, id, order, tended, slots - done.calls.length);
			work.save();
			return { ...tended, now: work.moment.now };
		});
		for (const span of swept.spans) span.end();
		done.found += swept.found;
		done.calls.push(...swept.calls);
		return swept.now;
	}

	/** An order whose handling fails does not harm the others; its `sweep_at` moves on all the same. */
	#tend(work: UnitOfWork, id: string, order: Order, tended: Tended, slots: number): void {
		try {
			if (!order.found(work.moment.now)) return;
			tended.found += 1;
			const span = this.#platform.tracing.start('sweep', {
				...{ kind: 'internal', cause: work.traceOf(id) },
				attributes: { 'protected_payment.order.id': id },
			});
			tended.spans.push(span);
			work.trace(id, span.traceparent);
			const call = this.#step(work, order, tended.calls.length < slots);
			if (call !== null) tended.calls.push({ call, cause: span.traceparent });
		} catch (error) {
			tell(this.#log, 'error', `order ${id} could not be swept`, error);
			work.reset(id)?.found(work.moment.now);
		}
	}

	#step(work: UnitOfWork, order: Order, hasSlot: boolean): PaymentCall | null {
		const { moment } = work;
		const isPaused = (group: string): boolean => this.#pauses.of(group) !== undefined;
		if (!isPaused('deadlines')) order.wakeWithoutMessage(moment);
		if (order.awaitsShipment(moment.now) && !isPaused('shipping')) order.askForShipment(moment);
		return hasSlot || !order.needsCall(moment.now) ? nextCall(this.#platform, order, moment) : null;
	}
}
