/** Orders and a gateway as processes of their own, on every broker that is there, whose answers get lost and which stalls. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { BrokerKind } from '../../../bin/brokers/local-broker.ts';
import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { BROKER_KINDS, brokerBehindProxy } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Cluster, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

type Action = 'create' | 'hold' | 'resume' | 'cancel';

interface Deed {
	readonly action: Action;
	/** the order, or a new one's name */
	readonly on: string;
	readonly status: number;
	/** how often it was done, as the history tells */
	readonly done: number;
}

interface Observed {
	/** whose requests the broker stored, without being able to say so */
	readonly unconfirmed: readonly Deed[];
	/** those that were sent as the stall began */
	readonly early: readonly Deed[];
	/** those that were sent later, when the node that is called may count as gone */
	readonly late: readonly Deed[];
	/** the status of an order whose hold was unconfirmed, and which was resumed since */
	readonly resumed: string | undefined;
}

const STALL = 9_000;
const LATE = 4_500;
const EVENTS = { hold: 'OrderHeld', resume: 'OrderResumed', cancel: 'OrderCancelRequested' } as const;

let database: TestDatabase;
let closing: (() => Promise<unknown>)[] = [];
/** All brokers at once: most of the time is waiting. */
let observations: ReadonlyMap<BrokerKind, Promise<Observed>>;

beforeAll(async () => {
	database = await startTestDatabase();
	const kinds = await Promise.all(BROKER_KINDS.map(async (kind) => ((await kind.installed()) ? [kind] : [])));
	observations = new Map(kinds.flat().map((kind) => [kind, observe(kind)]));
	for (const observation of observations.values()) observation.catch(() => {}); // each test awaits its own
}, 60_000);
afterAll(async () => {
	for (const close of closing.reverse()) await close();
	closing = [];
	await database?.stop();
}, 60_000);

async function observe(kind: BrokerKind): Promise<Observed> {
	const { server, proxy, url } = await brokerBehindProxy(kind);
	closing.push(() => server.dispose());
	closing.push(() => proxy.close());
	const cluster = await Cluster.create(database, url);
	closing.push(() => cluster.dispose());
	await Promise.all([cluster.start('orders'), cluster.start('gateway')].map((process) => ready(process)));

	const post = async (path: string, body?: object): Promise<{ status: number; id: string }> => {
		const headers = body === undefined ? {} : { 'content-type': 'application/json' };
		const response = await fetch(`${cluster.url()}/orders${path}`, {
			...{ method: 'POST', headers, signal: AbortSignal.timeout(30_000) },
			body: body === undefined ? null : JSON.stringify(body),
		});
		const { id = '' } = (await response.json()) as { id?: string };
		return { status: response.status, id };
	};
	const create = (productName: string) => post('', { productName, amount: 1, cancellationWindow: '10m' });
	/** Orders to hold, to resume and to cancel. */
	const prepare = async (): Promise<Record<Exclude<Action, 'create'>, string>> => {
		const [hold, resume, cancel] = await Promise.all(['a', 'b', 'c'].map(create));
		if (!hold || !resume || !cancel || (await post(`/${resume.id}/hold`)).status !== 200)
			throw new Error('not prepared');
		return { hold: hold.id, resume: resume.id, cancel: cancel.id };
	};
	/** All four at once. */
	const attempt = async (
		name: string,
		on: Record<Exclude<Action, 'create'>, string>,
	): Promise<Omit<Deed, 'done'>[]> => {
		const commands = (['hold', 'resume', 'cancel'] as const).map(async (action) => {
			const { status } = await post(`/${on[action]}/${action}`);
			return { action, on: on[action], status };
		});
		const created = create(name).then(({ status }) => ({ action: 'create' as const, on: name, status }));
		return Promise.all([created, ...commands]);
	};
	const counted = (attempts: readonly Omit<Deed, 'done'>[]): Promise<Deed[]> =>
		Promise.all(attempts.map(async (one) => ({ ...one, done: await timesDone(cluster, one) })));
	/** What was asked before has passed, or never will: the broker keeps the order of what one process sends to another. */
	const passes = (name: string) => until(async () => (await create(name)).status === 201);

	const [first, second, third] = [await prepare(), await prepare(), await prepare()];
	proxy.loseAnswersTo('"action":"orders.', 4);
	const unconfirmed = await attempt(`${kind.scheme} unconfirmed`, first);
	expect(proxy.lost).toBeGreaterThan(0);
	await passes('after the loss');
	await until(async () => (await post(`/${first.hold}/resume`)).status !== 503);
	await passes('later');

	proxy.stall();
	const begin = performance.now();
	const early = attempt(`${kind.scheme} early`, second);
	await pause(LATE);
	const late = attempt(`${kind.scheme} late`, third);
	await pause(begin + STALL - performance.now());
	proxy.resume();
	const answered = { early: await early, late: await late };
	await passes('after the stall');
	const [row] = await cluster.sql<{ status: string }>('SELECT status FROM orders WHERE id = $1', [first.hold]);
	return {
		unconfirmed: await counted(unconfirmed),
		early: await counted(answered.early),
		late: await counted(answered.late),
		resumed: row?.status,
	};
}

async function timesDone(cluster: Cluster, { action, on }: Pick<Deed, 'action' | 'on'>): Promise<number> {
	const [row] =
		action === 'create'
			? await cluster.sql<{ n: number }>('SELECT count(*)::int AS n FROM orders WHERE product_name = $1', [on])
			: await cluster.sql<{ n: number }>(
					'SELECT count(*)::int AS n FROM order_events WHERE order_id = $1 AND type = $2',
					[on, EVENTS[action]],
				);
	return row?.n ?? 0;
}

for (const kind of BROKER_KINDS) {
	await describeBroker(kind, `a request over ${kind.scheme}`, () => {
		let observed: Observed;

		beforeAll(async () => {
			const observation = observations.get(kind);
			if (observation === undefined) throw new Error(`${kind.scheme} was not tried`);
			observed = await observation;
		}, 240_000);

		it('is carried out once though the broker cannot say that it has it', () => {
			expect(observed.unconfirmed.map(({ action, done }) => [action, done])).toEqual([
				['create', 1],
				['hold', 1],
				['resume', 1],
				['cancel', 1],
			]);
			for (const { action, status } of observed.unconfirmed) {
				// On RabbitMQ answers come by the very connection that has ended.
				expect(kind === rabbitmq ? [SUCCESS[action], 503] : [SUCCESS[action]]).toContain(status);
			}
			expect(observed.resumed).toBe('Pending'); // and not on hold again
		});

		it('is carried out though the broker stalled for 9 s, and what was refused meanwhile is not when it wakes', () => {
			for (const deed of observed.early) expect(deed).toMatchObject({ status: SUCCESS[deed.action], done: 1 });
			for (const { action, status, done } of observed.late)
				expect([`${SUCCESS[action]} 1`, '503 0']).toContain(`${status} ${done}`);
		});
	});
}

const SUCCESS: Readonly<Record<Action, number>> = { create: 201, hold: 200, resume: 200, cancel: 202 };
