/**
 * The process stops dead at every boundary that the code names, and the next one takes up what it left. PostgreSQL
 * stays: that it may end as well is for kill.test.ts.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CRASH_POINTS, type CrashPoint } from '../../../mixins/runtime/crash-points.ts';
import { halfDone } from '../../support/at-death.ts';
import { Client } from '../../support/client.ts';
import { census, collect, laggards, strangeAnswers, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { Load } from '../../support/load.ts';
import { type Environment, System } from '../../support/process.ts';
import { seeded } from '../../support/random.ts';
import { Receiver } from '../../support/receiver.ts';
import { until } from '../../support/until.ts';

/** Points that a process passes only if its carrier is apart from the database, as every broker but PostgreSQL is. */
const APART: ReadonlySet<string> = new Set(['outbox.lease', 'outbox.publish', 'outbox.sent', 'carrier.publish']);
/** Points that are passed only while a message cannot be sent. */
const REFUSED: ReadonlySet<string> = new Set(['outbox.postpone']);

/** Loops that begin before there is any work: not at their first, empty pass. */
const PASS: Readonly<Record<string, number>> = {
	'carrier.deliver': 15,
	'outbox.forward': 2,
	'outbox.lease': 5,
};

const boundary = (point: CrashPoint): string => point.slice(point.indexOf(':') + 1);
const among = (names: ReadonlySet<string>) => CRASH_POINTS.filter((point) => names.has(boundary(point)));
const refusedPoints = among(REFUSED);
const apartPoints = among(APART);
const plainPoints = CRASH_POINTS.filter((point) => !refusedPoints.includes(point) && !apartPoints.includes(point));

const preload = pathToFileURL(join(import.meta.dirname, '../fixtures/apart-carrier.ts')).href;

const REFUSE = `
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON carrier_messages FOR EACH ROW WHEN (NEW.type = 'ShipmentDue')
		EXECUTE FUNCTION refuse();`;
const ACCEPT = 'DROP FUNCTION refuse() CASCADE';
/** Raised by nobody, so that the relay has to send it, and for an order that there is not. */
const REFUSED_ROW = `INSERT INTO outbox_messages (message_id, type, order_id, deliver_at)
	VALUES (gen_random_uuid(), 'ShipmentDue', gen_random_uuid(), now())`;

/** As an operator's replay of the latest events does: what the relay sends where the carrier shares the database. */
const REPLAY = `INSERT INTO outbox_messages (message_id, type, order_id, sequence)
	SELECT id, type, order_id, sequence FROM order_events ORDER BY occurred_at DESC LIMIT 3`;

/** The sweeper has something to look at. */
const OVERDUE = `UPDATE orders SET sweep_at = statement_timestamp() WHERE id = (
	SELECT id FROM orders WHERE sweep_at IS NOT NULL ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED)`;

const PATIENCE = 90_000;
const BUYERS_PATIENCE = 300_000;

let system: System;
let client: Client;
let load: Load;
let receiver: Receiver;
let churning = true;

/** An endpoint of a shop; undefined while nobody answers. */
const endpoint = async (body: object): Promise<string | undefined> => {
	const answer = await fetch(`${system.url()}/webhook-endpoints`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify(body),
	}).catch(() => undefined);
	return answer?.status === 201 ? ((await answer.json()) as { id: string }).id : undefined;
};

/** Endpoints that nobody is told by come and go, events are sent again, and orders are overdue. */
async function churn(): Promise<void> {
	while (churning) {
		for (const text of [REPLAY, OVERDUE]) await system.sql(text).catch(() => {}); // the server may be away
		const id = await endpoint({ url: receiver.url('good'), types: ['RefundFailed'] }).catch(() => undefined);
		if (id !== undefined) await fetch(`${system.url()}/webhook-endpoints/${id}`, { method: 'DELETE' }).catch(() => {});
		await pause(200);
	}
}

beforeAll(async () => {
	system = await System.create({ HOLD_LIMIT: '2s', PROVIDER_TIMEOUT: '1s', LOG_LEVEL: 'warn' });
	// Many processes die before they listen, so a slow machine may not answer for minutes.
	client = new Client(system.url, BUYERS_PATIENCE);
	receiver = await Receiver.open();
	const first = await system.up(); // the database is made here, whatever point comes first
	expect(await endpoint({ url: receiver.url('good') })).toBeDefined();
	await first.stop();
	void churn();
	load = new Load(client, { random: seeded(1), perSecond: 20, most: 200 });
}, PATIENCE);

afterAll(async () => {
	churning = false;
	client.giveUp();
	await load.stop().catch(() => {});
	await system.dispose();
	await receiver?.close();
}, PATIENCE);

/** Starts a process that is to die at the point, and sees it die there. */
async function dieAt(point: CrashPoint, env: Environment = {}): Promise<void> {
	const running = system.start({ CRASH_AT: `${point}#${PASS[boundary(point)] ?? 1}`, ...env });
	await until(
		() => running.exit,
		() => `dead at ${point}\n${running.lines.join('\n')}`,
		PATIENCE,
	);
	const exit = await running.exited;
	const words = exit.signal === null ? running.lines : [];
	expect({ point, words, ...exit }).toEqual({ point, words: [], code: null, signal: 'SIGKILL' });
	expect({ point, halfDone: await halfDone(system) }).toEqual({ point, halfDone: [] });
}

it('dies at every point that a plain process passes', async () => {
	for (const point of plainPoints) await dieAt(point);
}, 600_000);

it('dies at every point of a message that cannot be sent', async () => {
	// While processes are dead, so that the locks of this wait for nobody.
	await system.sql(REFUSE);
	for (const point of refusedPoints) {
		await system.sql(REFUSED_ROW);
		await dieAt(point);
	}
	await system.sql(`${ACCEPT}; DELETE FROM outbox_messages WHERE type = 'ShipmentDue' AND sent_at IS NULL`);
}, 600_000);

it('dies at every point of a process whose carrier is apart from the database', async () => {
	for (const point of apartPoints) await dieAt(point, { NODE_OPTIONS: `--import=${preload}` });
}, 600_000);

it('left none of the points out', () => {
	expect([...plainPoints, ...refusedPoints, ...apartPoints].sort()).toEqual([...CRASH_POINTS].sort());
	expect(refusedPoints).toHaveLength(2 * REFUSED.size);
	expect(apartPoints).toHaveLength(2 * APART.size);
});

it('has kept every invariant in spite of it all', async () => {
	const running = await system.up();
	await load.stop();
	await until(async () => (await unfinished(system)) === 0, 'every order has ended', 180_000).catch(async () =>
		console.log(await laggards(system)),
	);
	const evidence = await collect(system, client);
	console.log(`${evidence.orders.length} orders`, census(evidence.orders));
	expect(violations(evidence)).toEqual([]);
	expect(strangeAnswers(evidence.answers)).toEqual([]);
	expect(Object.keys(census(evidence.orders)).sort()).toEqual(['Cancelled', 'PaymentFailed', 'Shipped']);
	expect(await running.stop()).toEqual({ code: 0, signal: null });
}, 600_000);
