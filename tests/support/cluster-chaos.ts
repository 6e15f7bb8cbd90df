/** kill -9 of services and of their broker under load, again and again; then the reckoning. */
import { setTimeout as pause } from 'node:timers/promises';
import type { BrokerKind, LocalBroker } from '../../bin/brokers/local-broker.ts';
import { type Bank, totalOf } from './bank.ts';
import { testBroker } from './broker-kinds.ts';
import type { ChaosReport } from './chaos-run.ts';
import { Client } from './client.ts';
import { Cluster, ready } from './cluster.ts';
import { startTestDatabase } from './database.ts';
import { census, collect, laggards, strangeAnswers, unfinished } from './evidence.ts';
import { violations } from './invariants.ts';
import { Load } from './load.ts';
import { overhearErrors, overhearFigures } from './overheard.ts';
import type { Running } from './process.ts';
import { between, pick, seeded } from './random.ts';
import { until } from './until.ts';

export interface ClusterChaosOptions {
	readonly kind: BrokerKind;
	readonly kills: number;
	readonly seed: number;
	/** new orders a second */
	readonly perSecond: number;
	/** goes on until there are so many orders; as long as the kills take unless given */
	readonly orders?: number;
	/** who moves the money; the sandbox unless given */
	readonly bank?: Bank;
	/** once, in the middle, the broker loses all that it holds */
	readonly wipe: boolean;
	readonly say: (line: string) => void;
}

export interface ClusterChaosReport extends Omit<ChaosReport, 'faults'> {
	/** kills of a service's process, kills of the broker, and of these the ones that took its data along */
	readonly faults: Readonly<Record<Fault, number>>;
	/** orders that the carrier's wake-up confirmed, and that the sweeper did */
	readonly woken: Readonly<Record<string, number>>;
}

type Fault = 'service' | 'broker' | 'wipe';

/** Seven processes. */
const SERVICES = ['gateway', 'orders', 'outbox-relay', 'outbox-relay', 'settlement', 'settlement', 'shipping'] as const;
/** What a fault hits, in these shares. */
const FAULTS: readonly ['service', 'service', 'service', 'broker'] = ['service', 'service', 'service', 'broker'];
const SETTINGS = { HOLD_LIMIT: '2s', PROVIDER_TIMEOUT: '1s', LOG_LEVEL: 'warn', MIGRATE: 'off' };
/** The sweeper looks again after a minute at the latest. */
const TO_THE_END = 240_000;
/** Where each request may fail, it takes several looks. */
const TO_A_HARD_END = 600_000;

export async function runClusterChaos(options: ClusterChaosOptions): Promise<ClusterChaosReport> {
	const { kind, kills, seed, perSecond, orders = 0, bank, say } = options;
	const random = seeded(seed);
	const broker = await testBroker(kind);
	const database = await startTestDatabase();
	const cluster = await Cluster.create(database, broker.url, { ...SETTINGS, ...bank?.env }, bank?.hear);
	const client = new Client(cluster.url, undefined, bank?.hear);
	bank?.opens(cluster.url);
	const faults = { service: 0, broker: 0, wipe: 0 };
	try {
		await broker.up();
		const members = SERVICES.map((service) => ({ service, running: cluster.start(service) }));
		await Promise.all(members.map(({ running }) => ready(running)));
		const overhear = async (): Promise<void> => {
			if (bank === undefined) return;
			for (const { running } of members) await overhearFigures(running.probeUrl, bank.hear);
			await overhearErrors(cluster.url(), bank.hear);
		};
		const load = new Load(client, {
			...{ random: seeded(seed + 1), perSecond, longestWindow: 4_000, ...totalOf(orders), ...bank?.load },
		});
		for (let killed = 0; killed < kills; killed += 1) {
			await pause(between(random, 200, 2_500));
			await overhear();
			const isWipe = options.wipe && killed === Math.floor(kills / 2);
			if (isWipe || pick(random, FAULTS) === 'broker') {
				await bringDown(broker, isWipe);
				await pause(between(random, 0, 1_500));
				await broker.up();
				faults[isWipe ? 'wipe' : 'broker'] += 1;
			} else {
				const victim = pick(random, members as [Member, ...Member[]]);
				await victim.running.kill();
				victim.running = cluster.start(victim.service);
				faults.service += 1;
			}
			say(`${killed + 1} of ${kills}: ${JSON.stringify(faults)}, ${load.count} orders so far`);
		}
		await Promise.all(members.map(({ running }) => ready(running)));
		await until(() => load.count >= orders, `there are ${orders} orders`, TO_THE_END + (orders / perSecond) * 1_000);
		await load.stop().catch((error: unknown) => {
			say(cluster.lastWords());
			throw error;
		});
		await until(
			async () => (await unfinished(cluster)) === 0,
			() => 'every order has ended',
			bank === undefined ? TO_THE_END : TO_A_HARD_END,
		).catch(async (error) => say(`${error}\n${await laggards(cluster)}\n${cluster.lastWords()}`));
		await overhear();
		await bank?.settle((entry, ...args) => cluster.run(entry, {}, ...args).exited);
		const evidence = { ...(await collect(cluster, client)), ...bank?.evidence() };
		const complaints = bank?.complaints(evidence) ?? [];
		const broken = [...violations(evidence), ...strangeAnswers(evidence.answers), ...complaints];
		const confirmed = evidence.history.filter(({ type }) => type === 'OrderConfirmed');
		const woken = Object.groupBy(confirmed, ({ data }) => String(data.wokenBy));
		return {
			violations: broken,
			orders: evidence.orders.length,
			ends: census(evidence.orders),
			faults,
			woken: Object.fromEntries(Object.entries(woken).map(([by, all]) => [by, all?.length ?? 0])),
		};
	} finally {
		client.giveUp();
		await cluster.dispose();
		await broker.dispose();
		await database.stop();
	}
}

interface Member {
	readonly service: string;
	running: Running;
}

async function bringDown(broker: LocalBroker, withItsData: boolean): Promise<void> {
	await broker.kill();
	if (withItsData) await broker.wipe();
}
