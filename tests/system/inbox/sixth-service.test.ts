/** A service that nobody has planned takes messages as the others do, and survives what they survive. */
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { BrokerKind } from '../../../bin/brokers/local-broker.ts';
import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { type TestBroker, testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { type Environment, type Running, System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

jest.setTimeout(300_000);

const RUNNER = 'node_modules/moleculer/bin/moleculer-runner.mjs';
const FILES = ['services/*.service.ts', 'tests/system/fixtures/thanks.service.ts'];

let system: System;
let broker: TestBroker | undefined;
afterEach(async () => {
	await system?.dispose();
	await broker?.dispose();
	broker = undefined;
});

/** The whole system and the sixth service, under Moleculer's runner. */
const start = (env: Environment = {}): Running =>
	system.run(RUNNER, ['--config', 'moleculer.config.ts', ...FILES], { CANCELLATION_WINDOW: '1s', ...env });

async function up(env: Environment = {}): Promise<Running> {
	const running = start(env);
	await running.listening;
	return running;
}

async function order(running: Running, productName: string): Promise<string> {
	const answer = await fetch(`${running.url}/orders`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ productName, amount: 1 }),
	});
	expect(answer.status).toBe(201);
	return ((await answer.json()) as { id: string }).id;
}

const orders = (running: Running, count: number): Promise<string[]> =>
	Promise.all(Array.from({ length: count }, () => order(running, 'tea')));

const idsOf = async (query: string): Promise<string[]> =>
	(await system.sql<{ id: string }>(`${query} ORDER BY id`)).map(({ id }) => id);

/** The orders that were thanked for, each as often as it was. */
const thanked = (): Promise<string[]> => idsOf(`SELECT order_id AS id FROM inbox_messages WHERE consumer = 'thanks'`);

/** All that are to be thanked for: a process that died may have taken an order without an answer. */
const taken = (): Promise<string[]> => idsOf(`SELECT id FROM orders WHERE product_name <> 'poison'`);

const allThanked = (): Promise<unknown> =>
	until(async () => (await thanked()).length >= (await taken()).length, 'all are thanked for', 120_000);

const thanksOf = ({ lines }: Running): number => lines.filter((line) => line.includes('thanks for')).length;

/** Every fault, one after the other, on one database. */
async function survivesAll(env: Environment): Promise<void> {
	system = await System.create(env);
	const first = await up();
	await orders(first, 5);
	await allThanked();

	// Doubles: the stored events go once more, under their ids. One more order comes behind them.
	await system.sql(`INSERT INTO outbox_messages (message_id, type, order_id, sequence)
		SELECT id, type, order_id, sequence FROM order_events WHERE type = 'OrderShipped'`);
	await orders(first, 1);
	await allThanked();
	expect(thanksOf(first)).toBe(6);
	expect(await first.stop()).toEqual({ code: 0, signal: null });

	// A crash before the commit of its transaction, and one between the commit and the acknowledgement.
	for (const point of ['before', 'after']) {
		const dying = start({ CRASH_AT: `${point}:thanks.handle` });
		// It may die before it has an order from here: the one before it has left something.
		dying.listening.then(() => order(dying, 'tea')).catch(() => {});
		expect(await dying.exited).toEqual({ code: null, signal: 'SIGKILL' });
	}

	// A message that cannot be handled, among others, and a stop with work in hand.
	const busy = await up();
	await allThanked();
	const before = (await thanked()).length;
	const poison = await order(busy, 'poison');
	await orders(busy, 20);
	await until(async () => (await thanked()).length > before, 'some are thanked for');
	expect(await busy.stop()).toEqual({ code: 0, signal: null });
	const last = await up();
	await allThanked();
	const letters = (): Promise<unknown[]> => system.sql('SELECT consumer, key, type FROM dead_letters');
	await until(async () => (await letters()).length > 0, 'the poison is set aside', 120_000);
	expect(await letters()).toEqual([{ consumer: 'thanks', key: poison, type: 'OrderShipped' }]);

	expect(await thanked()).toEqual(await taken());
	expect(await last.stop()).toEqual({ code: 0, signal: null });
}

it('survives doubles, crashes, a poisonous message and a stop, with PostgreSQL as the carrier', () => survivesAll({}));

const KINDS: readonly BrokerKind[] = [rabbitmq, redis];
for (const kind of KINDS) {
	await describeBroker(kind, `over ${kind.scheme}`, () => {
		it('survives the same', async () => {
			broker = await testBroker(kind);
			await broker.up();
			await survivesAll({ BROKER_URL: broker.url });
		});
	});
}

describe('a service whose group others know otherwise', () => {
	it('fails the start, and says so', async () => {
		system = await System.create();
		const fixture = join('tests/system/fixtures', 'contradicting.service.ts');
		const running = system.run(RUNNER, ['--config', 'moleculer.config.ts', fixture]);
		expect((await running.exited).code).toBe(1);
		expect(running.errors.join('\n')).toContain(
			'the group shipping takes PaymentCaptured, ShipmentDue, here it is said to take OrderShipped',
		);
	});
});
