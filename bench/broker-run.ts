/**
 * npm run bench -- --broker amqp|kafka|redis [--only relay,lateness,drain,delayed,scale] [--pairs 3]
 *
 * The system on a real broker of this machine, against the broker's client alone and against the embedded carrier.
 */
import { BROKER_KINDS, type TestBroker, testBroker } from '../tests/support/broker-kinds.ts';
import { BARE } from './bare.ts';
import { accept, forSeconds } from './orders.ts';
import type { Report } from './report.ts';
import { settledBy } from './scale.ts';
import { drain, lateness, relayed, until } from './settle.ts';
import { Stage } from './stage.ts';

export const BROKER_MEASURES = ['relay', 'lateness', 'drain', 'delayed', 'scale'] as const;

const BATCH = 500;
const BODY = JSON.stringify({ specversion: '1.0', data: 'x'.repeat(350) });
const DELAYED = 200_000;
const MB = 1024 * 1024;
/** Orders for each settlement process. */
const SCALED = 2_000;

export interface BrokerBench {
	readonly scheme: string;
	readonly chosen: ReadonlySet<string>;
	readonly report: Report;
	readonly orders: number;
}

export async function benchBroker({ scheme, chosen, report, orders }: BrokerBench): Promise<void> {
	const kind = BROKER_KINDS.find((candidate) => candidate.scheme === scheme);
	if (kind === undefined)
		throw new Error(`--broker ${scheme}: one of ${BROKER_KINDS.map((known) => known.scheme).join(', ')}`);
	if (!(await kind.installed())) throw new Error(`${scheme} is not installed: npm run brokers -- install ${scheme}`);
	const broker = await testBroker(kind);
	const stage = await Stage.open();
	try {
		await broker.up();
		const bench = { stage, broker, report, orders, env: { BROKER_URL: broker.url } };
		if (chosen.has('relay')) await relay(bench, kind.scheme);
		if (chosen.has('lateness')) await late(bench);
		if (chosen.has('drain')) await drains(bench);
		if (chosen.has('delayed')) await delayed(bench);
		if (chosen.has('scale')) await scale(bench);
	} finally {
		await stage.close();
		await broker.dispose();
	}
}

interface Bench {
	readonly stage: Stage;
	readonly broker: TestBroker;
	readonly report: Report;
	readonly orders: number;
	readonly env: Readonly<Record<string, string>>;
}

/** Stored rows, all unsent, until the broker has confirmed the last; beside it the client's own batches. */
async function relay({ stage, broker, report, orders, env }: Bench, scheme: keyof typeof BARE): Promise<void> {
	const client = await BARE[scheme](broker.url);
	const bare = async (): Promise<number> => {
		const start = performance.now();
		for (let sent = 0; sent < 2 * orders; sent += BATCH) await client.publish(Array<string>(BATCH).fill(BODY));
		return (2 * orders * 1_000) / (performance.now() - start);
	};
	const relaying = async (): Promise<number> => {
		const taking = await stage.start(['orders']);
		await accept(taking.broker, 64, (placed) => placed < orders);
		await taking.stop();
		await stage.pool.query('ANALYZE');
		const application = await stage.start(['outbox-relay'], env);
		const rate = await relayed(stage);
		await application.stop();
		await stage.empty();
		return rate;
	};
	await bare();
	await report.compare('outbox rows published and confirmed / the client’s own batches', '≥ 0.5', bare, relaying);
	await client.close();
}

async function late({ stage, report, env }: Bench): Promise<void> {
	const first = await stage.start([], env);
	await lateness(stage, first, 200, 2);
	await first.stop();
	await stage.empty();
	const application = await stage.start([], env);
	const { p50, p99, max, wokenByCarrier } = await lateness(stage, application, 200, 20);
	await application.stop();
	await stage.empty();
	const value = `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms; ${(wokenByCarrier * 100).toFixed(2)} % by the broker`;
	const reach = 'p99 ≤ 25 ms, ≥ 99.9 % by the broker';
	report.add({ measure: 'lateness at 200/s, due → Confirmed', value, floor: '–', ratio: '–', reach });
}

async function drains({ stage, report, orders, env }: Bench): Promise<void> {
	const once = (more: Readonly<Record<string, string>>) => async (): Promise<number> => {
		const application = await stage.start([], more);
		const rate = await drain(stage, application, orders);
		await application.stop();
		await stage.empty();
		return rate;
	};
	await once(env)();
	await report.compare('due at one moment → Shipped / the embedded carrier', '≥ 0.7', once({}), once(env));
}

/** The rate of accepting and the memory of our process while so many wake-ups wait at the broker. */
async function delayed({ stage, report, env }: Bench): Promise<void> {
	const application = await stage.start([], env);
	await accept(application.broker, 256, forSeconds(2));
	const settled = async (): Promise<void> => {
		await until(async () => (await stage.count('outbox_messages WHERE sent_at IS NULL')) === 0, 'all is sent', 600);
		global.gc?.();
	};
	const none = await accept(application.broker, 256, forSeconds(4));
	await settled();
	const before = process.memoryUsage().rss / MB;
	await accept(application.broker, 256, (placed) => placed < DELAYED);
	await settled();
	const after = process.memoryUsage().rss / MB;
	const waiting = await accept(application.broker, 256, forSeconds(4));
	await application.stop();
	await stage.empty();
	report.add({
		measure: `accepting with ${DELAYED} delayed / with few`,
		value: `${waiting.toFixed(0)}/s; memory ${after.toFixed(0)} MB`,
		floor: `${none.toFixed(0)}/s; memory ${before.toFixed(0)} MB`,
		ratio: (waiting / none).toFixed(2),
		reach: '≥ 0.97, memory flat',
	});
}

/** What a second and a fourth settlement process bring, where the provider is what takes the time. */
async function scale({ stage, broker, report }: Bench): Promise<void> {
	const rates: number[] = [];
	for (const processes of [1, 2, 4]) {
		const rate = await settledBy(processes, stage, broker.url, SCALED * processes);
		rates.push(rate);
		report.add({
			measure: `captures with ${processes} settlement process${processes > 1 ? 'es' : ''}, a provider that takes 2 s`,
			value: `${rate.toFixed(0)}/s`,
			floor: `${rates[0]?.toFixed(0)}/s`,
			ratio: (rate / (rates[0] ?? Number.NaN)).toFixed(2),
			reach: `≈ ${processes}`,
		});
	}
}
