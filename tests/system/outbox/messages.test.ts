/** The carrier at its worst: everything twice, everything in the wrong order, and everything lost. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { census, collect, laggards, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { Load } from '../../support/load.ts';
import { System } from '../../support/process.ts';
import { seeded } from '../../support/random.ts';
import { until } from '../../support/until.ts';

/**
 * A copy of every message, at the same moment or up to two seconds later. `pg_trigger_depth`: a copy is not copied.
 */
const TWICE = `
	CREATE FUNCTION deliver_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF pg_trigger_depth() = 1 THEN
			INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body)
			VALUES (NEW.consumer, NEW.deliver_at + greatest(0, random() * 4 - 2) * interval '1 second',
				NEW.id, NEW.type, NEW.key, NEW.due_at, NEW.body);
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER deliver_twice AFTER INSERT ON carrier_messages FOR EACH ROW EXECUTE FUNCTION deliver_twice();`;

/**
 * The first event of an order comes last: each waits the longer the lower its sequence. Wake-ups come up to three
 * seconds too early, or up to one too late.
 */
const BACKWARDS = `
	CREATE FUNCTION deliver_backwards() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		NEW.deliver_at := NEW.deliver_at + CASE WHEN NEW.due_at IS NULL
			THEN greatest(0, 5 - (NEW.body::json ->> 'sequence')::int) * 0.6 * interval '1 second'
			ELSE (random() * 4 - 3) * interval '1 second' END;
		RETURN NEW;
	END $$;
	CREATE TRIGGER deliver_backwards BEFORE INSERT ON carrier_messages
		FOR EACH ROW WHEN (NEW.attempts = 0) EXECUTE FUNCTION deliver_backwards();`;

/** How often a wake-up was armed for one moment of one order. */
const ARMED = `
	SELECT order_id, type, deliver_at, count(*)::int AS count FROM outbox_messages
	WHERE type IN ('OrderDue', 'HoldExpired') GROUP BY order_id, type, deliver_at`;

let system: System;
let client: Client;

beforeEach(async () => {
	system = await System.create({ HOLD_LIMIT: '3s', PROVIDER_TIMEOUT: '1s', LOG_LEVEL: 'warn' });
	client = new Client(system.url);
	await system.up();
}, 120_000);

afterEach(async () => {
	client.giveUp();
	await system.dispose();
}, 60_000);

/** Waits for the end of every order, and answers with what is wrong. */
async function reckon(patience: number): Promise<string[]> {
	await until(async () => (await unfinished(system)) === 0, 'every order has ended', patience).catch(async () =>
		console.log(await laggards(system)),
	);
	const evidence = await collect(system, client);
	console.log(`${evidence.orders.length} orders`, census(evidence.orders));
	expect(evidence.orders.length).toBeGreaterThan(100);
	return violations(evidence);
}

it('every message twice and backwards changes nothing', async () => {
	await system.sql(TWICE);
	await system.sql(BACKWARDS);
	const load = new Load(client, { random: seeded(2), perSecond: 30, longestWindow: 4_000 });
	await until(() => load.count >= 150);
	await load.stop();
	expect(await reckon(120_000)).toEqual([]);
	expect(await system.sql('SELECT * FROM dead_letters')).toEqual([]);
	const armed = await system.sql<{ count: number }>(ARMED);
	// A wake-up that comes early is armed again, once however often it comes. Here half of those armed come more than a second
	// early again, each with a copy: they are as many as chance has it, but not as many as a loop without rest would make.
	expect(Math.max(...armed.map(({ count }) => count))).toBeGreaterThan(1);
	expect(armed.filter(({ count }) => count > 400)).toEqual([]);
}, 300_000);

it('a wake-up that comes early, many times, is armed again once', async () => {
	const COPIES = 20;
	const orders = await Promise.all(
		Array.from({ length: 10 }, (_, index) =>
			client.create({ productName: `early-${index}`, amount: 1, cancellationWindow: '20s' }, `early-${index}`),
		),
	);
	await until(async () => {
		const rows = await system.sql(`SELECT FROM carrier_messages WHERE type = 'OrderDue'`);
		return rows.length === orders.length;
	});
	// In one statement, so that no consumer sees some of them before the others are there.
	await system.sql(`
		WITH early AS (UPDATE carrier_messages SET deliver_at = statement_timestamp() + interval '1 second'
			WHERE type = 'OrderDue' RETURNING *)
		INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body)
		SELECT consumer, deliver_at + (copy % 4) * interval '300 milliseconds', id, type, key, due_at, body
		FROM early, generate_series(2, ${COPIES}) AS copy`);
	await until(async () => {
		const rows = await system.sql(`SELECT FROM carrier_messages WHERE deliver_at < due_at`);
		const armed = await system.sql<{ count: number }>(ARMED);
		return rows.length === 0 && armed.every(({ count }) => count > 1);
	}, 'all copies are handled');
	const armed = await system.sql<{ count: number }>(ARMED);
	expect(armed.map(({ count }) => count)).toEqual(orders.map(() => 2));
}, 120_000);

it('a carrier that loses all it holds, again and again, costs time and no order', async () => {
	const load = new Load(client, { random: seeded(3), perSecond: 25 });
	let lost = 0;
	for (let round = 0; round < 30 || lost <= 100 || load.count < 150; round += 1) {
		await pause(300);
		const [row] = await system.sql<{ count: number }>('SELECT count(*)::int AS count FROM carrier_messages');
		lost += row?.count ?? 0;
		await system.sql('TRUNCATE carrier_messages');
	}
	await load.stop();
	await system.sql('TRUNCATE carrier_messages');
	expect(await reckon(180_000)).toEqual([]);
	const [woken] = await system.sql<{ count: number }>(
		`SELECT count(*)::int AS count FROM order_events WHERE type = 'OrderConfirmed' AND data ->> 'wokenBy' = 'sweeper'`,
	);
	expect(woken?.count).toBeGreaterThan(10);
}, 400_000);
