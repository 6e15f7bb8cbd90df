/** kill -9 under load, again and again, and PostgreSQL's own crashes in between; then the reckoning. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Bank, totalOf } from './bank.ts';
import { Client } from './client.ts';
import { census, collect, laggards, strangeAnswers, unfinished } from './evidence.ts';
import { violations } from './invariants.ts';
import { Load } from './load.ts';
import { overhearErrors, overhearFigures } from './overheard.ts';
import { type Running, System } from './process.ts';
import { between, pick, seeded } from './random.ts';
import { eventually, until } from './until.ts';

export interface ChaosOptions {
	readonly kills: number;
	readonly seed: number;
	/** new orders a second */
	readonly perSecond: number;
	/** goes on until there are so many orders; as long as the kills take unless given */
	readonly orders?: number;
	/** who moves the money; the sandbox unless given */
	readonly bank?: Bank;
	readonly say: (line: string) => void;
}

export interface ChaosReport {
	/** of I1 to I9, and answers that nobody should get */
	readonly violations: readonly string[];
	readonly orders: number;
	readonly ends: Readonly<Record<string, number>>;
	/** kills of the process alone, of the process with PostgreSQL, restarts of PostgreSQL alone */
	readonly faults: Readonly<Record<Fault, number>>;
}

type Fault = 'process' | 'tree' | 'postgres';

/** What a fault hits, in these shares. */
const FAULTS: readonly [Fault, ...Fault[]] = ['process', 'process', 'process', 'tree', 'postgres'];
const SETTINGS = { HOLD_LIMIT: '2s', PROVIDER_TIMEOUT: '1s', LOG_LEVEL: 'warn' };
/** The sweeper looks again after a minute at the latest; where each request may fail, that takes several looks. */
const TO_THE_END = 180_000;
const TO_A_HARD_END = 600_000;

export async function runChaos({ kills, seed, perSecond, orders = 0, bank, say }: ChaosOptions): Promise<ChaosReport> {
	const random = seeded(seed);
	const system = await System.create({ ...SETTINGS, ...bank?.env }, bank?.hear);
	const client = new Client(system.url, undefined, bank?.hear);
	const overhear = async (): Promise<void> => {
		if (bank === undefined) return;
		await overhearFigures(system.url(), bank.hear);
		await overhearErrors(system.url(), bank.hear);
	};
	bank?.opens(system.url);
	const faults = { process: 0, tree: 0, postgres: 0 };
	try {
		let running = await system.up();
		const load = new Load(client, { random: seeded(seed + 1), perSecond, ...totalOf(orders), ...bank?.load });
		while (faults.process + faults.tree < kills) {
			const fault = pick(random, FAULTS);
			// Every tenth time in the middle of the start.
			if (random() > 0.1) await running.listening;
			await pause(between(random, 0, 1_500));
			await overhear();
			faults[fault] += 1;
			if (fault === 'postgres') await restartPostgres(system, running);
			else {
				await (fault === 'tree' ? system.killTree() : running.kill());
				running = system.start();
			}
			say(`${fault}: ${JSON.stringify(faults)}, ${load.count} orders so far`);
		}
		await running.listening;
		await until(() => load.count >= orders, `there are ${orders} orders`, TO_THE_END + (orders / perSecond) * 1_000);
		await load.stop();
		await until(
			async () => (await unfinished(system)) === 0,
			() => 'every order has ended',
			bank === undefined ? TO_THE_END : TO_A_HARD_END,
		).catch(async (error) => say(`${error}\n${await laggards(system)}`));
		await overhear();
		await bank?.settle((entry, ...args) => system.run(entry, args).exited);
		const evidence = { ...(await collect(system, client)), ...bank?.evidence() };
		const ends = census(evidence.orders);
		const broken = [
			...violations(evidence),
			...strangeAnswers(evidence.answers),
			...(bank?.complaints(evidence) ?? []),
		];
		return { violations: broken, orders: evidence.orders.length, ends, faults };
	} finally {
		client.giveUp();
		await system.dispose();
	}
}

/** The process stays, and recovers by itself. */
async function restartPostgres(system: System, running: Running): Promise<void> {
	await running.listening;
	const before = await system.postgresPid();
	await system.crashPostgres();
	await until(async () => {
		const now = await system.postgresPid();
		return now !== undefined && now !== before;
	}, 'PostgreSQL is back');
	await eventually(async () => {
		if (running.exit !== undefined) return;
		const { status } = await fetch(`${running.url}/health/ready`);
		if (status !== 200) throw new Error(`ready answers ${status}`);
	}, 'the process is ready again');
	if (running.exit !== undefined) throw new Error(`the process ended with PostgreSQL:\n${running.lines.join('\n')}`);
}
