import { setImmediate } from 'node:timers/promises';
import type { Database } from '../../mixins/database/database.ts';
import { lookForOverdue } from '../../mixins/database/index.ts';
import { pausesOf } from '../../mixins/inbox/pauses.ts';
import type { Platform } from '../../mixins/platform.ts';
import type { TransactionName } from '../../mixins/runtime/crash-points.ts';
import type { Log } from '../../mixins/runtime/log.ts';
import type { PaymentCalls } from '../../services/settlement/payment-calls.ts';
import { Sweeper } from '../../services/settlement/sweeper.ts';
import settlement from '../../services/settlement.service.ts';
import shipping from '../../services/shipping.service.ts';
import { testPlatform, testService } from '../support/platform.ts';
import { HeldCarrier } from './carrier.ts';
import { Difference, within } from './difference.ts';
import { type Ask, Asks, heldParcels, heldProvider } from './outside.ts';
import { type Pause, ProcessDatabase } from './process.ts';

/** Errors that the model knows of. */
export const isExpected = (line: string): boolean => /a person must decide|refuses to void/.test(line);

export type Consumer = 'deadlines' | 'settlement' | 'shipping';

/** What a slot has in hand: an intent that is committed and not yet acted upon, or a call that waits for its answer. */
type Hand = { readonly kind: 'intent'; readonly pause: Pause } | { readonly kind: 'call'; readonly ask: Ask };

export type Shared = 'settings' | 'clock' | 'signals' | 'outgoing' | 'metrics' | 'provider' | 'parcels';

/** What every process of a replay shares. */
export interface Surroundings {
	readonly shared: Database;
	readonly platform: Pick<Platform, Shared>;
	readonly log: Log;
}

/**
 * A process of settlement or shipping with one call in hand at most, as the model's slots are. The services are the
 * real ones; their transactions and their calls stop where the trace wants it.
 */
export class Slot {
	readonly database: ProcessDatabase;
	readonly asks = new Asks();
	readonly #carrier = new HeldCarrier(() => Promise.reject(new Error('only relays publish')));
	readonly #platform: Platform;
	readonly #log: Log;
	#sweeper: Sweeper | undefined;
	#sweeperWithoutSlot: Sweeper | undefined;
	#hand: Hand | undefined;
	/** what becomes of the call, once the trace has said so */
	#fate: Fate | undefined;

	readonly #complaint = Promise.withResolvers<never>();

	private constructor({ shared, platform, log }: Surroundings) {
		this.database = new ProcessDatabase(shared);
		this.#complaint.promise.catch(() => {}); // there may be none
		this.#log = { ...log, error: (line) => this.#complain(line, log) };
		this.#platform = testPlatform({
			...platform,
			provider: heldProvider(platform.provider, this.asks),
			parcels: heldParcels(platform.parcels, this.asks),
			database: this.database,
			carrier: this.#carrier,
			log: () => this.#log,
		});
	}

	static async start(surroundings: Surroundings, kind: 'settlement' | 'shipping'): Promise<Slot> {
		const slot = new Slot(surroundings);
		const { broker } = testService(kind === 'shipping' ? shipping : settlement, slot.#platform, slot.#log);
		// The sweeper looks when the trace says so, not by itself.
		await slot.database.without([lookForOverdue(0).name], async () => {
			await broker.start();
			// It first learns what is paused.
			await pausesOf(slot.#platform).known();
			await setImmediate();
		});
		return slot;
	}

	/** Delivers a message to the service; throws a Difference if it is set aside. */
	async deliver(consumer: Consumer, delivery: Parameters<NonNullable<ReturnType<Slot['handler']>>>[0][number]) {
		const [failure] = (await this.handler(consumer)?.([delivery])) ?? [{ error: 'no consumer' }];
		if (failure !== undefined) throw new Difference(`the message ${delivery.type} was set aside: ${failure.error}`);
	}

	handler(consumer: Consumer) {
		return this.#carrier.handlers.get(consumer);
	}

	/** The sweeper of this process, and one of a process whose call slots are all taken. */
	sweeper(hasSlot: boolean): Sweeper {
		if (hasSlot) {
			this.#sweeper ??= new Sweeper(this.#platform, this.#calls(), this.#log, () => false);
			return this.#sweeper;
		}
		if (this.#sweeperWithoutSlot === undefined) {
			const calls = this.#calls();
			calls.slots.tryAcquire(calls.slots.total);
			this.#sweeperWithoutSlot = new Sweeper(this.#platform, calls, this.#log, () => false);
		}
		return this.#sweeperWithoutSlot;
	}

	/**
	 * Does what may lead to a call. With `holds` it stops after the commit, before the call: the intent is in hand;
	 * otherwise it goes on to its end.
	 */
	async takeUp(transaction: TransactionName, holds: boolean, begin: () => Promise<unknown>): Promise<void> {
		const pause = this.database.pauseAt(`after:${transaction}`);
		const ended = begin();
		ended.catch(() => {}); // it may die in the trace
		const early = ended.then(() => {
			throw new Difference(`${transaction} ended without a commit`);
		});
		early.catch(() => {});
		try {
			await within(Promise.race([pause.reached, early]), `${transaction} is committed`);
		} catch (error) {
			this.database.withdraw(pause);
			throw error;
		}
		if (holds) {
			this.#hand = { kind: 'intent', pause };
			return;
		}
		pause.release();
		await within(ended, `${transaction} comes to its end`);
	}

	/** The process asks what became of its call, its key having aged. */
	async find(): Promise<Ask> {
		const ask = await this.send();
		if (ask.name !== 'find') throw new Difference(`the process begins ${ask.name} without asking first`);
		return ask;
	}

	/** The call leaves the process, after `find` where the key has aged. */
	async send(): Promise<Ask> {
		this.#goOn();
		const ask = await within(this.asks.next(), 'the process makes its call');
		this.#hand = { kind: 'call', ask };
		return ask;
	}

	/** The answer is on its way, or there will be none; the process hears of it when it stores the outcome. */
	decide(fate: Fate): void {
		this.#fate = fate;
	}

	/**
	 * The outcome reaches the process and is stored. `hadTime` tells whether a call that is not begun yet may still be
	 * begun; with `holds` the next intent is in hand after that.
	 */
	async storeOutcome(transaction: TransactionName, hadTime: boolean, holds: boolean): Promise<void> {
		const pause = this.database.pauseAt(`after:${transaction}`);
		await this.#learn(pause, hadTime);
		await within(Promise.race([pause.reached, this.#complaint.promise]), 'the outcome is stored');
		this.#hand = holds ? { kind: 'intent', pause } : undefined;
		this.#fate = undefined;
		if (!holds) pause.release();
	}

	/** The process dies; its calls may live on. */
	die(): void {
		this.database.die();
		this.asks.loseAll();
	}

	#calls(): PaymentCalls {
		return testService<{ payments: PaymentCalls }>(settlement, this.#platform, this.#log).payments;
	}

	#complain(line: string, log: Log): void {
		log.error(line);
		if (!isExpected(line)) this.#complaint.reject(new Difference(line));
	}

	async #learn(stored: Pause, hadTime: boolean): Promise<void> {
		const hand = this.#hand;
		if (hand?.kind === 'call' && this.#fate === 'answered') hand.ask.deliver();
		else if (hand?.kind === 'call' && this.#fate === 'lost') hand.ask.lose();
		else if (hand !== undefined && this.#fate === 'not sent') await this.#tryToSend(stored, hadTime);
		else throw new Difference('there is no outcome to store');
	}

	/** The call is lost on its way; or its time is over, and it must not be begun. */
	async #tryToSend(stored: Pause, hadTime: boolean): Promise<void> {
		this.#goOn();
		const over = stored.reached.then(() => undefined);
		const begun = await within(Promise.race([over, this.asks.next()]), 'the call is made, or given up');
		this.asks.forgetTakers();
		if (begun !== undefined && !hadTime) throw new Difference(`${begun.name} was begun after its time`);
		begun?.lose();
	}

	/** From an intent to the call; from `find` that found nothing, too. */
	#goOn(): void {
		const hand = this.#hand;
		if (hand === undefined) throw new Difference('there is no intent to act upon');
		if (hand.kind === 'intent') hand.pause.release();
		else hand.ask.deliver();
	}
}

/** What becomes of a call: its answer comes, or not; or it never left the process. */
export type Fate = 'answered' | 'lost' | 'not sent';
