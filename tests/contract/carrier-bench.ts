import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Duration, Instant } from '../../domain/time.ts';
import type { BatchHandler, Carrier, CarrierMessage, Delivery, Topology } from '../../mixins/brokers/carrier.ts';
import { newId } from '../../mixins/runtime/uuid.ts';
import { memoryLog } from '../support/database.ts';
import { PATIENCE, until } from '../support/until.ts';
import type { BrokerHarness, CarrierModule, OpenCarrier, Space } from './carrier-harness.ts';

/** `Alpha` goes to both groups, `Beta` and `Gamma` to one each, `Delta` to nobody of ours; nobody knows any other. */
export const TOPOLOGY: Topology = {
	consumers: { first: ['Alpha', 'Beta'], second: ['Alpha', 'Gamma'] },
	types: ['Alpha', 'Beta', 'Gamma', 'Delta'],
};

/** What a part of the suite gets: the broker and, while a test runs, that test's bench. */
export interface Part {
	readonly harness: BrokerHarness;
	readonly bench: () => Bench;
}

/** One test's space on the broker, and everything in it that is to be cleared away. */
export class Bench {
	readonly harness: BrokerHarness;
	readonly space: Space;
	readonly log = memoryLog();
	readonly #module: CarrierModule;
	readonly #opened: OpenCarrier[] = [];
	readonly #children: ChildProcess[] = [];
	readonly #gates: (() => void)[] = [];

	static async open(harness: BrokerHarness): Promise<Bench> {
		return new Bench(harness, await harness.space(TOPOLOGY), await import(harness.module));
	}

	private constructor(harness: BrokerHarness, space: Space, module: CarrierModule) {
		this.harness = harness;
		this.space = space;
		this.#module = module;
	}

	/** A carrier of its own, as another process would have it. */
	open(): Carrier {
		const opened = this.#module.openCarrier(this.space.address, TOPOLOGY, this.log);
		this.#opened.push(opened);
		return opened.carrier;
	}

	/** A process that takes a group's messages and never gets done; answers with what it holds, once it holds some. */
	async openHangingProcess(group: string): Promise<{ readonly ids: readonly string[]; kill(): void }> {
		const program = join(import.meta.dirname, 'carrier-process.ts');
		const args = [program, this.harness.module, this.space.address, JSON.stringify(TOPOLOGY), group];
		const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
		this.#children.push(child);
		const ids = await new Promise<string[]>((resolve, reject) => {
			if (child.stdout) createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line)));
			child.once('exit', () => reject(new Error('the process ended')));
			setTimeout(() => reject(new Error('the process got no message')), PATIENCE).unref();
		});
		return { ids, kill: () => void child.kill('SIGKILL') };
	}

	/** What a handler may wait for; opened at the end at the latest. */
	gate(): { readonly passed: Promise<void>; open(): void } {
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#gates.push(resolve);
		return { passed: promise, open: resolve };
	}

	/** A message that is due after `delay`, counted from now. */
	async delayed(delay: Duration, message: Partial<CarrierMessage> = {}): Promise<CarrierMessage> {
		return toMessage({ ...message, deliverAt: (await this.harness.clock()) + delay, delay });
	}

	/** Publishes as the relay does: as often as it takes. */
	async publish(carrier: Carrier, messages: readonly CarrierMessage[]): Promise<void> {
		const deadline = performance.now() + PATIENCE; // a broker may take that long to come back
		for (;;) {
			try {
				const [failure] = await carrier.publish(messages);
				if (failure !== undefined) throw new Error(`refused: ${failure.error}`);
				return;
			} catch (error) {
				if (performance.now() > deadline) throw error;
				await pause(20);
			}
		}
	}

	/** Waits until a group's retries are due, or makes them due where the broker lets us. */
	async skipBackOff(carrier: Carrier): Promise<void> {
		if (this.space.hasten === undefined) return;
		await this.space.hasten();
		await carrier.publish([toMessage()]); // wakes the consumers
	}

	/** Waits until the broker holds nothing more for a group. */
	async drained(group: string): Promise<void> {
		let backlog = 0;
		await until(
			async () => {
				backlog = await this.space.backlog(group);
				return backlog === 0;
			},
			() => `nothing is left for ${group}, but ${backlog} are`,
		);
	}

	async close(): Promise<void> {
		for (const open of this.#gates) open();
		for (const child of this.#children) child.kill('SIGKILL');
		await Promise.all(this.#opened.map((opened) => opened.release()));
	}
}

/** A message for both groups, at once, unless it says otherwise. */
export function toMessage(message: Partial<CarrierMessage> = {}): CarrierMessage {
	const id = newId(Date.now());
	return { id, type: 'Alpha', key: newId(Date.now()), body: '{}', deliverAt: null, delay: 0, ...message };
}

export function toMessages(count: number, message: Partial<CarrierMessage> = {}): CarrierMessage[] {
	return Array.from({ length: count }, () => toMessage(message));
}

export const idsOf = (messages: readonly { readonly id: string }[]): string[] => messages.map(({ id }) => id);

export interface Received extends Delivery {
	/** when the handler got it */
	readonly at: Instant;
}

/** A handler that remembers what it was given; what it answers is `decide`'s affair. */
export class Collector {
	readonly received: Received[] = [];
	readonly batches: (readonly Delivery[])[] = [];
	/** the ids that were handled without a failure */
	readonly handled = new Set<string>();
	/** the most batches that were in hand at once */
	mostInHand = 0;
	#inHand = 0;
	readonly #decide: BatchHandler;

	constructor(decide: BatchHandler = async () => []) {
		this.#decide = decide;
	}

	readonly handle: BatchHandler = async (deliveries) => {
		const at = Date.now();
		this.batches.push(deliveries);
		this.received.push(...deliveries.map((delivery) => ({ ...delivery, at })));
		this.#inHand += 1;
		this.mostInHand = Math.max(this.mostInHand, this.#inHand);
		try {
			const failures = await this.#decide(deliveries);
			const failed = new Set(failures.map(({ id }) => id));
			for (const { id } of deliveries) if (!failed.has(id)) this.handled.add(id);
			return failures;
		} finally {
			this.#inHand -= 1;
		}
	};

	/** How often a message was given to the handler. */
	count(id: string): number {
		return this.received.filter((delivery) => delivery.id === id).length;
	}

	/** The first delivery of a message. */
	first(id: string): Received {
		const found = this.received.find((delivery) => delivery.id === id);
		if (found === undefined) throw new Error(`${id} was not delivered`);
		return found;
	}

	/** Waits until all these messages were handled. */
	async hasHandled(messages: readonly { readonly id: string }[]): Promise<void> {
		const missing = (): number => messages.filter(({ id }) => !this.handled.has(id)).length;
		await until(
			() => missing() === 0,
			() => `all are handled, but ${missing()} of ${messages.length} are not`,
		);
	}
}
