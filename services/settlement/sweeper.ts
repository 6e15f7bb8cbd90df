import type { Order, PaymentCall } from '../../domain/order.ts';
import { type Duration, SECOND } from '../../domain/time.ts';
import { stamp } from '../../mixins/calls.ts';
import { UnitOfWork } from '../../mixins/database/unit-of-work.ts';
import { tell } from '../../mixins/errors.ts';
import type { Log } from '../../mixins/loop.ts';
import type { Platform } from '../../mixins/platform.ts';
import type { PaymentCalls } from './payment-calls.ts';

/** The most orders in one look. */
const BATCH = 200;
/** How often it looks. */
export const SWEEP_EVERY: Duration = SECOND;

export interface Swept {
	/** orders that had waited too long */
	readonly found: number;
	/** provider calls started or repeated for them */
	readonly calls: number;
}

/** Finds orders that nobody woke, in every unfinished state, and does for them what should have been done. */
export class Sweeper {
	readonly #platform: Platform;
	readonly #calls: PaymentCalls;
	readonly #log: Log;
	readonly #carrierIsBehind: () => boolean;

	/** `carrierIsBehind` tells that the carrier works off a backlog: due orders are left to it then. */
	constructor(platform: Platform, calls: PaymentCalls, log: Log, carrierIsBehind: () => boolean) {
		this.#platform = platform;
		this.#calls = calls;
		this.#log = log;
		this.#carrierIsBehind = carrierIsBehind;
	}

	/** One look, at most one batch. */
	async sweep(): Promise<Swept> {
		const { database, metrics, stored } = this.#platform;
		const slots = this.#calls.slots.tryTake(BATCH);
		const since = stamp();
		let calls: PaymentCall[] = [];
		try {
			const swept = await database.transaction('settlement.sweep', async (tx) => {
				const work = new UnitOfWork(tx, stored);
				const orders = await work.lockOverdue(BATCH, this.#carrierIsBehind() ? 'not pending' : 'all');
				const started: PaymentCall[] = [];
				let found = 0;
				for (const [id, order] of orders) if (this.#tend(work, id, order, started, slots)) found += 1;
				work.save();
				return { found, started };
			});
			calls = swept.started;
			metrics.swept(swept.found);
			if (swept.found > 0) this.#log.debug(`${swept.found} orders had waited too long`);
			return { found: swept.found, calls: calls.length };
		} finally {
			this.#calls.slots.give(slots - calls.length);
			for (const call of calls) this.#calls.start(call, since);
		}
	}

	/** An order whose handling fails harms no other; its next look moves on all the same. */
	#tend(work: UnitOfWork, id: string, order: Order, started: PaymentCall[], slots: number): boolean {
		try {
			if (!order.found(work.moment.now)) return false;
			const call = this.#step(work, order, started.length < slots);
			if (call !== null) started.push(call);
		} catch (error) {
			tell(this.#log, 'error', `order ${id} could not be swept`, error);
			work.reset(id)?.found(work.moment.now);
		}
		return true;
	}

	#step(work: UnitOfWork, order: Order, hasSlot: boolean): PaymentCall | null {
		const { moment } = work;
		order.wakeWithoutMessage(moment);
		if (order.awaitsShipment(moment.now)) order.askForShipment(moment);
		return hasSlot || !order.needsCall(moment.now) ? order.pay(moment, this.#platform.settings.providerTimeout) : null;
	}
}
