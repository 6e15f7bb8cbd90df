/**
 * npm run bench -- --broker amqp|kafka|redis [--only relay,lateness,drain,delayed,scale] [--pairs 3]
 *
 * The system on a real broker of this machine, against the broker's client alone and against the embedded carrier.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { BrokerKind } from '../bin/brokers/local-broker.ts';
import type { CarrierMessage } from '../mixins/brokers/carrier.ts';
import { toEnvelope } from '../mixins/brokers/envelope.ts';
import { newId } from '../mixins/runtime/uuid.ts';
import { BROKER_KINDS, type TestBroker, testBroker } from '../tests/support/broker-kinds.ts';
import { BARE } from './bare.ts';
import { PENDING_DATA } from './floor.ts';
import { accept, forSeconds } from './orders.ts';
import type { Report, Row } from './report.ts';
import { settledBy } from './scale.ts';
import { drain, type Lateness, lateness, leadFor, relayed, TooSlow, until } from './settle.ts';
import { Stage } from './stage.ts';

export const BROKER_MEASURES = ['relay', 'lateness', 'drain', 'delayed', 'scale'] as const;

const BATCH = 500;
/** So far ahead that nothing of it becomes due while the bench runs. */
const FAR = { text: '2h', milliseconds: 2 * 60 * 60 * 1_000 };
const BODY = JSON.stringify({ specversion: '1.0', data: 'x'.repeat(350) });
const DELAYED = 200_000;
/** Published before the memory is looked at first, so that all that is made once is there. */
const WARM = 10_000;
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
	const stage = await Stage.open();
	try {
		for (const name of BROKER_MEASURES) {
			if (!chosen.has(name)) continue;
			// A broker for each: what one measure leaves there would be work without an order in the next.
			await withBroker(kind, (broker) =>
				MEASURES[name]({ stage, broker, kind, report, orders, env: { BROKER_URL: broker.url } }),
			);
		}
	} finally {
		await stage.close();
	}
}

async function withBroker(kind: BrokerKind, use: (broker: TestBroker) => Promise<void>): Promise<void> {
	const broker = await testBroker(kind);
	try {
		await broker.up();
		await use(broker);
	} finally {
		await broker.dispose();
	}
}

interface Bench {
	readonly stage: Stage;
	readonly broker: TestBroker;
	readonly kind: BrokerKind;
	readonly report: Report;
	readonly orders: number;
	readonly env: Readonly<Record<string, string>>;
}

const MEASURES: Readonly<Record<(typeof BROKER_MEASURES)[number], (bench: Bench) => Promise<void>>> = {
	relay,
	lateness: late,
	drain: drains,
	delayed,
	scale,
};

/** What two rows of an order become, an event and a wake-up, for as many orders as one batch holds. */
function messages(): readonly CarrierMessage[] {
	return Array.from({ length: BATCH }, (_, place): CarrierMessage => {
		const now = Date.now();
		const [id, key] = [newId(now), newId(now)];
		const envelope = { id, order_id: key, occurred_at: now, traceparent: null };
		if (place % 2 === 0) {
			const body = toEnvelope({ ...envelope, type: 'OrderPending', sequence: 1, data: PENDING_DATA, deliver_at: null });
			return { id, type: 'OrderPending', key, body, deliverAt: null, delay: 0 };
		}
		const deliverAt = now + FAR.milliseconds;
		const wakeUp = { sequence: null, occurred_at: null, data: null, deliver_at: deliverAt };
		return {
			id,
			type: 'OrderDue',
			key,
			body: toEnvelope({ ...envelope, ...wakeUp, type: 'OrderDue' }),
			deliverAt,
			delay: 0,
		};
	});
}

/** Stored rows, all unsent, until the broker has confirmed the last; beside it the client's own batches. */
async function relay({ stage, broker, kind, report, orders, env }: Bench): Promise<void> {
	const client = await BARE[kind.scheme](broker.url);
	const batch = messages();
	const bare = async (): Promise<number> => {
		const start = performance.now();
		for (let sent = 0; sent < 2 * orders; sent += BATCH) await client.publish(batch);
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
	const once = async (more: Readonly<Record<string, string>>): Promise<Lateness> => {
		const first = await stage.start([], more);
		await lateness(stage, first, 200, 2);
		await first.stop();
		await stage.empty();
		const application = await stage.start([], more);
		const measured = await lateness(stage, application, 200, 20);
		await application.stop();
		await stage.empty();
		return measured;
	};
	const told = ({ p50, p99, max }: Lateness): string =>
		`p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;
	// Beside it the carrier without a broker: on a machine that is busy both are late.
	const embedded = await once({});
	const measured = await once(env);
	report.add({
		measure: 'lateness at 200/s, due → Confirmed / the embedded carrier',
		value: `${told(measured)}; ${(measured.wokenByCarrier * 100).toFixed(2)} % by the broker`,
		floor: told(embedded),
		ratio: `p99 ${(measured.p99 / embedded.p99).toFixed(2)}`,
		reach: 'p99 ≤ 25 ms, ≥ 99.9 % by the broker',
	});
}

async function drains({ stage, report, orders, env }: Bench): Promise<void> {
	let lead = leadFor(orders);
	const once = (more: Readonly<Record<string, string>>) => async (): Promise<number> => {
		for (let attempt = 1; ; attempt += 1) {
			const application = await stage.start([], more);
			try {
				return await drain(stage, application, orders, lead);
			} catch (error) {
				if (!(error instanceof TooSlow) || attempt === 3) throw error;
				lead *= 2;
			} finally {
				await application.stop();
				await stage.empty();
			}
		}
	};
	await once(env)();
	await report.compare('due at one moment → Shipped / the embedded carrier', '≥ 0.7', once({}), once(env));
}

/**
 * The rate of accepting while so many wake-ups wait at the broker, beside that on a broker of the same kind which holds
 * next to none; and the memory of our process before and after they came.
 */
async function delayed({ stage, kind, report, env }: Bench): Promise<void> {
	const accepting = (more: Readonly<Record<string, string>>) => async (): Promise<number> => {
		const application = await stage.start([], more);
		const far = (): string => FAR.text;
		await accept(application.broker, 256, forSeconds(0.5), far);
		const rate = await accept(application.broker, 256, forSeconds(2), far);
		// What is under way must not come to an empty database.
		const open = `(SELECT FROM payments WHERE status <> 'Authorized' LIMIT 1) AS open`;
		const unsent = '(SELECT FROM outbox_messages WHERE sent_at IS NULL LIMIT 1) AS unsent';
		await until(async () => (await stage.count(open)) + (await stage.count(unsent)) === 0, 'all is quiet', 120);
		await application.stop();
		await stage.empty();
		return rate;
	};
	await withBroker(kind, async (full) => {
		const waiting = { ...env, BROKER_URL: full.url };
		await accepting(env)();
		await accepting(waiting)();
		report.add(await filled(stage, waiting));
		await report.compare(`accepting with ${DELAYED} delayed / with few`, '≥ 0.97', accepting(env), accepting(waiting));
	});
}

/** Gives the broker its wake-ups, for orders that nobody knows, and looks at the memory of our process before and after. */
async function filled(stage: Stage, env: Readonly<Record<string, string>>): Promise<Row> {
	const application = await stage.start([], env);
	const { carrier } = application.platform;
	const send = async (count: number): Promise<void> => {
		const messages = Array.from({ length: count }, () => {
			const at = Date.now();
			const deliverAt = at + FAR.milliseconds;
			return { id: newId(at), type: 'OrderDue', key: newId(at), body: BODY, deliverAt, delay: FAR.milliseconds };
		});
		const refused = await carrier.publish(messages);
		if (refused.length > 0) throw new Error(refused[0]?.error);
	};
	for (let sent = 0; sent < WARM; sent += BATCH) await send(BATCH);
	const before = await heldMemory();
	const start = performance.now();
	for (let sent = 0; sent < DELAYED; sent += BATCH) await send(BATCH);
	const seconds = (performance.now() - start) / 1_000;
	await pause(3_000);
	const after = await heldMemory();
	await application.stop();
	return {
		measure: `memory of our process, ${DELAYED} delayed / few (published in ${seconds.toFixed(0)} s)`,
		value: `${after.toFixed(0)} MB`,
		floor: `${before.toFixed(0)} MB`,
		ratio: (after / before).toFixed(2),
		reach: 'flat',
	};
}

/** What is left after the garbage is collected: what the system gives back, and when, is the allocator's affair. */
async function heldMemory(): Promise<number> {
	setFlagsFromString('--expose-gc');
	const collect: unknown = runInNewContext('gc');
	if (typeof collect === 'function') for (let time = 0; time < 2; time += 1) collect();
	await pause(100);
	const { heapUsed, external } = process.memoryUsage();
	return (heapUsed + external) / MB;
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
