/** The release before and this one side by side under load, with the migration in between; then the reckoning. */
import { setTimeout as pause } from 'node:timers/promises';
import type { BrokerKind } from '../../bin/brokers/local-broker.ts';
import { SERVICE_NAMES } from '../../mixins/settings/settings.ts';
import { testBroker } from './broker-kinds.ts';
import { Client } from './client.ts';
import { Cluster, healthOf, ready } from './cluster.ts';
import { startTestDatabase, type TestDatabase } from './database.ts';
import { census, collect, laggards, unfinished } from './evidence.ts';
import { violations } from './invariants.ts';
import { Load } from './load.ts';
import type { Running } from './process.ts';
import { pick, type Random, seeded } from './random.ts';
import { Receiver } from './receiver.ts';
import { type OldRelease, RELEASE_BEFORE } from './release-before.ts';
import { until } from './until.ts';

export interface UpgradeOptions {
	readonly kind: BrokerKind;
	readonly before: OldRelease;
	readonly seed: number;
	/** new orders a second */
	readonly perSecond: number;
	/** how long each stage lasts at least, in ms; longer than the longest window and pause */
	readonly stage: number;
	/** this release ends once, its migrations are taken back, and the upgrade begins anew; else a process dies */
	readonly andBack: boolean;
	readonly say: (line: string) => void;
}

export interface UpgradeReport {
	/** of I1 to I10, and answers that nobody should get */
	readonly violations: readonly string[];
	readonly requests: number;
	/** how often each status was answered; 0 is no answer */
	readonly answers: Readonly<Record<string, number>>;
	/** the same of the 503s by their code */
	readonly refusals: Readonly<Record<string, number>>;
	readonly orders: number;
	readonly ends: Readonly<Record<string, number>>;
	/** events that a shop was told of, which it asked for while both releases ran */
	readonly told: number;
	/** the migrations in between */
	readonly migrated: readonly string[];
	/** how long `migrate -- up` took under load, in ms */
	readonly migrating: number;
}

const SETTINGS = {
	...{ HOLD_LIMIT: '2s', PROVIDER_TIMEOUT: '1s', LOG_LEVEL: 'warn', MIGRATE: 'off' },
	...{ SHUTDOWN_DELAY: '2s', WEBHOOK_ALLOW_PRIVATE: 'on' },
};
const TO_THE_END = 240_000;
const ENDS = ['OrderShipped', 'OrderCancelled', 'PaymentDeclined'];
const READS_EVERY = 100;
const GOOD: ReadonlySet<number> = new Set([200, 201, 202, 204, 304, 409, 503]);

/** Processes: the gateway alone, so that it calls orders services of both releases. */
const groupsOf = (services: readonly string[]): string[] => {
	const steps = services.filter((name) => !['gateway', 'orders', 'outbox-relay'].includes(name));
	return ['gateway', 'orders,outbox-relay', steps.join()];
};

export async function runUpgrade(options: UpgradeOptions): Promise<UpgradeReport> {
	const { kind, before, seed, perSecond, stage, andBack, say } = options;
	const broker = await testBroker(kind);
	const database = await startTestDatabase({ unmigrated: true });
	const cluster = await Cluster.create(database, broker.url, SETTINGS);
	const balancer = new Balancer();
	const shop = new Shop(await Receiver.open(), database);
	const client = new Client(balancer.next);
	const begun = performance.now();
	const tell = (line: string): void => say(`${((performance.now() - begun) / 1_000).toFixed(1)} s: ${line}`);
	const migrate = async (command: string): Promise<readonly string[]> => {
		const running = cluster.run('bin/migrate.ts', {}, command);
		await ended(running);
		return running.lines;
	};
	const young = (): Running[] => groupsOf(SERVICE_NAMES).map((services) => cluster.start(services));
	const serve = async (processes: readonly Running[]): Promise<void> => {
		await Promise.all(processes.map(ready));
		balancer.serve(processes[0]);
	};
	const end = async (processes: readonly Running[]): Promise<void> => {
		balancer.dismiss(processes[0]);
		for (const one of processes) if (one.exit === undefined) await one.stop();
	};
	try {
		await broker.up();
		await ended(cluster.runOf(before.root, 'bin/migrate.ts', {}, 'up'));
		const first = groupsOf(before.services).map((services) => cluster.startOf(before.root, services));
		await serve(first);
		tell('the release before runs');
		const load = new Load(client, { random: seeded(seed), perSecond, longestWindow: 2_500 });
		const reads = new Reads(client, balancer, seeded(seed + 1));

		const pending = (await migrate('status')).flatMap((line) => /^pending (\S+)/.exec(line)?.[1] ?? []);
		const next = young();
		if (pending.length > 0) await Promise.all(next.map((one) => waitsFor(one, 'npm run migrate -- up')));
		tell(`${pending.length} migrations are missing, and this release waits for them`);

		const migrating = performance.now();
		await migrate('up');
		const took = performance.now() - migrating;
		await serve(next);
		tell(`migrated in ${Math.round(took)} ms; both releases run`);
		if (!andBack) await shop.asksToBeTold(next[0]);
		await pause(stage);

		if (andBack) {
			await end(next);
			tell('back: the release before goes on with the newer schema');
			await pause(stage);
			for (const _ of pending) await migrate('down');
			const later = young();
			await migrate('up');
			await serve(later);
			tell('forth again, after the migrations were taken back and applied once more');
			await shop.asksToBeTold(later[0]);
			await pause(stage);
			await end(first);
		} else {
			// A process of the release before that dies now, with messages in hand.
			await first[2]?.kill();
			const again = cluster.startOf(before.root, groupsOf(before.services)[2] ?? '');
			if (pending.length === 0 || RELEASE_BEFORE.startsOnNewer) await ready(again);
			else await waitsFor(again, 'the database is newer than this program');
			tell('a process of the release before has died and was started again');
			await pause(stage);
			await end([...first, again]);
		}
		tell('the release before has ended');
		await pause(stage);
		await load.stop();
		await reads.stop();
		await until(async () => (await unfinished(cluster)) === 0, 'every order has ended', TO_THE_END).catch(
			async (error) => tell(`${error}\n${await laggards(cluster)}\n${cluster.lastWords()}`),
		);
		const evidence = await collect(cluster, client);
		const seen = [...evidence.answers, ...reads.answers];
		return {
			violations: [...violations(evidence), ...(await shop.untold()), ...bad(seen)],
			told: shop.told,
			requests: seen.length,
			answers: count(seen.map(({ status }) => String(status))),
			refusals: count(seen.filter(({ status }) => status === 503).map(({ action, code }) => `${action}: ${code}`)),
			orders: evidence.orders.length,
			ends: census(evidence.orders),
			migrated: pending,
			migrating: Math.round(took),
		};
	} finally {
		client.giveUp();
		await cluster.dispose();
		await broker.dispose();
		await database.stop();
		await shop.close();
	}
}

/** Wants to hear of the ends of orders, from a moment on at which both releases raise events. */
class Shop {
	readonly #receiver: Receiver;
	readonly #database: TestDatabase;
	#since = Number.NaN;

	constructor(receiver: Receiver, database: TestDatabase) {
		this.#receiver = receiver;
		this.#database = database;
	}

	/** How many events it was told of. */
	get told(): number {
		return this.#ids.size;
	}

	get #ids(): ReadonlySet<string> {
		return new Set(this.#receiver.heard.map(({ id }) => id));
	}

	async asksToBeTold(gateway: Running | undefined): Promise<void> {
		const how = {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ url: this.#receiver.url('good'), types: ENDS }),
		};
		await until(async () => (await fetch(`${gateway?.url}/webhook-endpoints`, how)).status === 201, 'it may be told');
		this.#since = await this.#database.now();
	}

	/** I10: what it was not told of. */
	async untold(): Promise<string[]> {
		const rows = await this.#database.query<{ id: string }>(
			'SELECT id FROM order_events WHERE type = ANY($1) AND occurred_at > to_timestamp($2::float8 / 1000)',
			[ENDS, this.#since],
		);
		const missing = (): string[] => rows.flatMap(({ id }) => (this.#ids.has(id) ? [] : [id]));
		await until(() => missing().length === 0, 'it was told of all', TO_THE_END).catch(() => {});
		return missing().map((id) => `event ${id} was not told (I10)`);
	}

	close(): Promise<void> {
		return this.#receiver.close();
	}
}

interface Seen {
	readonly action: string;
	readonly status: number;
	readonly code: string | null;
	readonly retryAfter?: string | null;
}

/** Whoever asks may be answered 2xx, 304 and 409, or asked to come again; each other kind once with its number. */
function bad(answers: readonly Seen[]): string[] {
	const strange = answers.filter(
		({ status, retryAfter }) => !GOOD.has(status) || (status === 503 && !/^[1-9]\d*$/.test(retryAfter ?? '')),
	);
	const kinds = count(strange.map(({ action, status, code }) => `${action}: ${status} ${code}`));
	return Object.entries(kinds).map(([kind, times]) => `${times} × ${kind}`);
}

function count(words: readonly string[]): Record<string, number> {
	const groups = Object.entries(Object.groupBy(words, (word) => word));
	return Object.fromEntries(groups.map(([word, all]) => [word, all?.length ?? 0]));
}

async function ended(running: Running): Promise<void> {
	const { code } = await running.exited;
	if (code !== 0) throw new Error(`a program ended with ${code}:\n${[...running.lines, ...running.errors].join('\n')}`);
}

/** Waits until a process is not ready, for this reason. */
async function waitsFor(running: Running, reason: string): Promise<void> {
	await until(
		async () => {
			if (running.exit !== undefined) throw new Error(`it ended:\n${running.lines.join('\n')}`);
			const { httpStatus, failing } = await healthOf(running);
			return httpStatus === 503 && failing.some((finding) => finding.reason.includes(reason));
		},
		() => `not ready, because ${reason}:\n${running.lines.join('\n')}`,
	);
}

/** Sends each request to the next of the gateways that are to be used. */
class Balancer {
	readonly #gateways: Running[] = [];
	#turn = 0;

	readonly next = (): string | undefined => {
		this.#turn += 1;
		return this.#gateways[this.#turn % this.#gateways.length]?.url;
	};

	serve(gateway: Running | undefined): void {
		if (gateway !== undefined) this.#gateways.push(gateway);
	}

	dismiss(gateway: Running | undefined): void {
		this.#gateways.splice(0, this.#gateways.length, ...this.#gateways.filter((one) => one !== gateway));
	}
}

/** Reads orders in every way there is, as pages that follow them do. */
class Reads {
	readonly answers: Seen[] = [];
	readonly #etags = new Map<string, string>();
	readonly #client: Client;
	readonly #balancer: Balancer;
	readonly #random: Random;
	readonly #reading: Promise<void>;
	#stopping = false;

	constructor(client: Client, balancer: Balancer, random: Random) {
		this.#client = client;
		this.#balancer = balancer;
		this.#random = random;
		this.#reading = this.#read();
	}

	async stop(): Promise<void> {
		this.#stopping = true;
		await this.#reading;
	}

	async #read(): Promise<void> {
		for (; !this.#stopping; await pause(READS_EVERY)) {
			const ids = this.#client.answers.flatMap(({ order }) => (order === null ? [] : order.id));
			const id = ids.at(Math.floor(this.#random() * ids.length));
			const kind = pick(this.#random, ['order', 'order', 'history', 'refunds', 'list']);
			if (kind === 'list' || id === undefined) await this.#get('/orders?limit=20', kind);
			else await this.#get(kind === 'order' ? `/orders/${id}` : `/orders/${id}/${kind}`, kind);
		}
	}

	/** The second time an order is asked for, a change of it is waited for. */
	async #get(path: string, kind: string): Promise<void> {
		const action = `read ${kind}`;
		const etag = this.#etags.get(path);
		const headers = etag === undefined ? {} : { 'if-none-match': etag, prefer: 'wait=1' };
		try {
			const url = `${this.#balancer.next()}${path}`;
			const response = await fetch(url, { headers, signal: AbortSignal.timeout(20_000) });
			await response.text();
			const tag = response.headers.get('etag');
			if (tag !== null) this.#etags.set(path, tag);
			this.answers.push({
				action,
				status: response.status,
				code: null,
				retryAfter: response.headers.get('retry-after'),
			});
		} catch (error) {
			this.answers.push({ action, status: 0, code: String(error), retryAfter: null });
		}
	}
}
