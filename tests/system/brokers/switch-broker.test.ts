import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { BROKER_KINDS, type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { requiredBrokers } from '../../support/brokers.ts';
import { Client } from '../../support/client.ts';
import { Cluster, ready } from '../../support/cluster.ts';
import { Collector } from '../../support/collector.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { collect, laggards, strangeAnswers, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { tracedOrder, wayBack } from '../../support/traces.ts';
import { until } from '../../support/until.ts';

const MINUTE = 60_000;
jest.setTimeout(10 * MINUTE);

/** Each ordered pair of four carriers once: a closed walk along every edge. */
const WALK = [0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3, 0];
const ORDERS = 12;
/** Some are due while nothing runs, some on the next carrier, some on the one after. */
const WINDOWS = ['1s', '4s', '12s'];

let database: TestDatabase;
/** PostgreSQL first, which is no broker; then those that are installed. */
const carriers: (TestBroker | null)[] = [null];

beforeAll(async () => {
	database = await startTestDatabase();
	for (const kind of BROKER_KINDS) {
		if (!(await kind.installed())) {
			if (requiredBrokers().has(kind.scheme)) throw new Error(`${kind.scheme} is not installed, and is required`);
			console.log(`skipped: ${kind.scheme} is not installed`);
			continue;
		}
		const broker = await testBroker(kind);
		await broker.up();
		carriers.push(broker);
	}
});
afterAll(async () => {
	for (const broker of carriers) await broker?.dispose();
	await database.stop();
});

it('goes on with every order when the broker is changed, from each carrier to each other', async () => {
	const cluster = await Cluster.create(database, '', { LOG_LEVEL: 'warn', HOLD_LIMIT: '3s' });
	const client = new Client(cluster.url);
	try {
		const walk = WALK.filter((place) => place < carriers.length);
		for (const [step, place] of walk.entries()) {
			const running = cluster.start('', { BROKER_URL: carriers[place]?.url ?? '' });
			await ready(running);
			await running.listening;
			await Promise.all(
				Array.from({ length: ORDERS }, async (_, number) => {
					const body = { productName: 'Tea', amount: 1, cancellationWindow: WINDOWS[number % WINDOWS.length] ?? '1s' };
					const { orderId } = await client.create(body, `${step}-${number}`);
					if (orderId !== null && number === 1) await client.command('hold', orderId);
					if (orderId !== null && number === 2) await client.command('cancel', orderId);
				}),
			);
			// Every other time without a word: what was stored is in the outbox, or with the old broker.
			await (step % 2 === 0 ? running.stop() : running.kill());
		}
		const last = cluster.start('', { BROKER_URL: carriers[0]?.url ?? '' });
		await ready(last);
		await until(
			async () => (await unfinished(cluster)) === 0,
			() => 'every order has ended',
			3 * MINUTE,
		).catch(async (error) => {
			throw new Error(`${error}\n${await laggards(cluster)}\n${last.lines.join('\n')}`);
		});
		const evidence = await collect(cluster, client);
		expect([...violations(evidence), ...strangeAnswers(evidence.answers)]).toEqual([]);
		expect(evidence.orders).toHaveLength(walk.length * ORDERS);
		await until(async () => {
			const [row] = await database.query<{ unsent: number }>(
				'SELECT count(*)::int AS unsent FROM outbox_messages WHERE sent_at IS NULL',
			);
			return row?.unsent === 0;
		}, 'the last carrier has all that was not sent');
	} finally {
		client.giveUp();
		await cluster.dispose();
	}
});

it('an order is one trace on each carrier, and every span leads back to the request', async () => {
	const collector = await Collector.start();
	const cluster = await Cluster.create(database, '', { LOG_LEVEL: 'warn', ...collector.env });
	try {
		for (const carrier of carriers) {
			const running = cluster.start('', { BROKER_URL: carrier?.url ?? '' });
			await ready(running);
			const { traceId } = await tracedOrder(await running.listening, collector);
			const spans = await until(() => {
				const found = collector.trace(traceId);
				return found.every((span) => wayBack(span, found).at(-1) === 'POST /orders') ? found : undefined;
			}, 'every span leads back');
			const last = spans.find(({ name }) => name === 'parcel service hand_over');
			expect(last && wayBack(last, spans)).toEqual([
				...['parcel service hand_over', 'process shipping', 'process settlement', 'process deadlines', 'POST /orders'],
			]);
			// Without a broker messages go with the commit.
			expect(spans.some(({ name }) => name === 'send outbox')).toBe(carrier !== null);
			const systems = new Set(spans.map(({ attributes }) => attributes['messaging.system.name']));
			expect(systems.size).toBe(2); // one, and none for the spans that are no message's
			await running.stop();
		}
	} finally {
		await cluster.dispose();
		await collector.stop();
	}
});
