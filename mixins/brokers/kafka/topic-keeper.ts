import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { type Duration, MINUTE, SECOND } from '../../../domain/time.ts';
import { endedWithin, type Log, Loop } from '../../runtime/index.ts';
import { Refusals } from '../refusals.ts';
import { brokerTrouble } from '../trouble.ts';
import { hasNoLeader } from './client.ts';
import type { Topics } from './topics.ts';

/** How often the topics are checked: lost ones are created again, and new ones become known. */
const LOOK_EVERY: Duration = 10 * SECOND;
/** Creating topics takes long on a machine under load. */
const PATIENCE: Duration = MINUTE;
const POLL: Duration = 30;
const CLOSE_PATIENCE: Duration = SECOND;
const MOST_REPLICAS = 3;

export interface Wanted {
	readonly partitions: number;
	/** as many as there are brokers, at most three, unless given */
	readonly replication?: number;
}

/** In place of an answer that did not come, which kafkajs does not expect. */
class NoAnswer extends Error {
	constructor(cause: TypeError) {
		super('no broker of Kafka answers', { cause });
	}
}

/**
 * Creates the topics that are needed, and creates them again when they are lost. Any number of processes may do so at
 * once.
 */
export class TopicKeeper {
	readonly #client: () => Kafka;
	readonly #topics: Topics;
	readonly #wanted: Wanted;
	readonly #log: Log;
	readonly #refusals: Refusals;
	readonly #looking: Loop;
	readonly #listeners = new Set<() => void>();
	/** those that are to be there: from the start, and those that were needed since */
	readonly #needed: Set<string>;
	/** those that lead, as far as we know */
	#there: ReadonlySet<string> = new Set();
	#waitsFor: string | undefined = 'the broker was not reached yet';
	#admin: Promise<Admin> | undefined;
	#ensuring: Promise<void> | undefined;
	#closed = false;

	constructor(client: () => Kafka, topics: Topics, wanted: Wanted, log: Log, refusals = new Refusals(log)) {
		this.#client = client;
		this.#topics = topics;
		this.#wanted = wanted;
		this.#log = log;
		this.#refusals = refusals;
		this.#needed = new Set(topics.always);
		this.#looking = new Loop('topics', log, async () => {
			await this.ensure();
			return LOOK_EVERY;
		});
	}

	start(): void {
		this.#looking.start();
	}

	/** Why topics are missing; undefined if none is known to be missing. */
	get waitsFor(): string | undefined {
		return this.#waitsFor;
	}

	/** Checks soon, because something failed that a missing topic may explain. */
	look(): void {
		this.#looking.wake();
	}

	/** Whether a topic was there at the last check. */
	has(topic: string): boolean {
		return this.#there.has(topic);
	}

	/** Calls back after each look; returns a function that ends that. */
	onLook(listener: () => void): () => void {
		this.#listeners.add(listener);
		return () => this.#listeners.delete(listener);
	}

	/** Resolves when these topics, and those that are always there, have been seen; looks only if they have not. */
	async ready(topics: Iterable<string> = []): Promise<void> {
		const missing = [...this.#topics.always, ...topics].filter((topic) => !this.#there.has(topic));
		if (missing.length > 0) await this.ensure(missing);
	}

	/** Looks now; resolves when all that are needed are there, throws if the broker cannot be reached. */
	async ensure(topics: Iterable<string> = []): Promise<void> {
		const added = [...topics].filter((topic) => !this.#needed.has(topic));
		for (const topic of added) this.#needed.add(topic);
		if (added.length > 0) await this.#ensuring?.catch(() => {}); // a look under way may not know of them
		this.#ensuring ??= this.#tell(this.#look()).finally(() => {
			this.#ensuring = undefined;
		});
		await this.#ensuring;
	}

	/** A request to the cluster, on the connection that is there or a new one. */
	async ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
		this.#admin ??= this.#connect();
		const admin = this.#admin;
		try {
			return await question(await admin);
		} catch (error) {
			if (this.#admin === admin) this.#admin = undefined;
			void admin.then((broken) => broken.disconnect()).catch(() => {});
			throw error instanceof TypeError ? new NoAnswer(error) : error;
		}
	}

	/** A check that a busy broker delays is abandoned; the next one creates what is missing. */
	async close(): Promise<void> {
		this.#closed = true;
		await endedWithin(Promise.allSettled([this.#looking.stop(), this.#ensuring]), CLOSE_PATIENCE);
		if (this.#admin !== undefined)
			await endedWithin(
				this.#admin.then((admin) => admin.disconnect()),
				CLOSE_PATIENCE,
			);
	}

	async #connect(): Promise<Admin> {
		const admin = this.#client().admin();
		await admin.connect();
		return admin;
	}

	async #tell(look: Promise<void>): Promise<void> {
		try {
			await this.#refusals.watch('topics', () => look);
			this.#waitsFor = undefined;
		} catch (error) {
			this.#waitsFor = hasNoLeader(error) ? 'topics of the broker have no leader' : brokerTrouble(error);
			throw error;
		}
	}

	async #look(): Promise<void> {
		const listed = new Set(await this.ask((admin) => admin.listTopics()));
		const missing = [...this.#needed].filter((topic) => !listed.has(topic));
		const lost = missing.filter((topic) => this.#there.has(topic));
		if (lost.length > 0) this.#log.warn(`${lost.length} topics are lost and made anew, such as ${lost[0]}`);
		const unseen = [...this.#needed].filter((topic) => !this.#there.has(topic) || !listed.has(topic));
		if (unseen.length > 0) {
			const { partitions } = this.#wanted;
			const replication = this.#wanted.replication ?? Math.min(MOST_REPLICAS, await this.#brokers());
			const settings = unseen.map((topic) => this.#topics.settings(topic, { partitions, replication }));
			await this.#make(settings.filter(({ topic }) => !listed.has(topic)));
			await this.#widen(settings);
			await this.#patiently(() => this.#led(unseen));
		}
		this.#there = new Set([...listed, ...this.#needed]);
		for (const listener of this.#listeners) listener();
	}

	async #brokers(): Promise<number> {
		const { brokers } = await this.ask((admin) => admin.describeCluster());
		if (brokers.length === 0) throw new Error('no broker takes part in the cluster');
		return brokers.length;
	}

	async #make(topics: ITopicConfig[]): Promise<void> {
		if (topics.length === 0) return;
		await this.ask((admin) => admin.createTopics({ topics, waitForLeaders: false, timeout: PATIENCE }));
	}

	/** Topics that were made with fewer partitions get the rest; none can be taken away. */
	async #widen(wanted: readonly ITopicConfig[]): Promise<void> {
		const counts = new Map(wanted.map(({ topic, numPartitions = 1 }) => [topic, numPartitions]));
		// A topic is not known everywhere in the moment in which it was made.
		const { topics } = await this.#patiently(() =>
			this.ask((admin) => admin.fetchTopicMetadata({ topics: [...counts.keys()] })),
		);
		const narrow = topics.flatMap(({ name, partitions }) => {
			const count = counts.get(name) ?? 1;
			return partitions.length < count ? [{ topic: name, count }] : [];
		});
		if (narrow.length === 0) return;
		this.#log.info(`${narrow.length} topics get more partitions`);
		await this.ask((admin) => admin.createPartitions({ topicPartitions: narrow }));
	}

	/**
	 * Throws unless every partition has a leader that knows it: metadata name leaders before they lead, and a batch for
	 * several partitions would be taken in part, and come twice.
	 */
	async #led(topics: readonly string[]): Promise<void> {
		await this.ask((admin) => Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic))));
	}

	/** Repeats what fails because a topic is new. */
	async #patiently<T>(action: () => Promise<T>): Promise<T> {
		const deadline = performance.now() + PATIENCE;
		for (;;) {
			try {
				return await action();
			} catch (error) {
				// Where a topic is not known, kafkajs's question for it ends without an answer.
				const isNew = hasNoLeader(error) || error instanceof NoAnswer;
				if (!isNew || this.#closed || performance.now() > deadline) throw error;
				await pause(POLL);
			}
		}
	}
}
