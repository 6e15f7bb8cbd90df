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
	'outbox.forward': 5,
	'outbox.lease': 5,
	'settlement.sweep': 2,
};

const boundary = (point: CrashPoint): string => point.slice(point.indexOf(':') + 1);
const among = (names: ReadonlySet<string>) => CRASH_POINTS.filter((point) => names.has(boundary(point)));
const refusedPoints = among(REFUSED);
const apartPoints = among(APART);
const plainPoints = CRASH_POINTS.filter((point) => !refusedPoints.includes(point) && !apartPoints.includes(point));

const preload = pathToFileURL(join(import.meta.dirname, '../fixtures/apart-carrier.ts')).href;

const REFUSE = `
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON carrier_messages FOR EACH ROW WHEN (NEW.type = 'OrderConfirmed')
		EXECUTE FUNCTION refuse();`;
const ACCEPT = 'DROP FUNCTION refuse() CASCADE';

const PATIENCE = 90_000;

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

/** Endpoints that nobody is told by come and go. */
async function churn(): Promise<void> {
	while (churning) {
		const id = await endpoint({ url: receiver.url('good'), types: ['RefundFailed'] }).catch(() => undefined);
		if (id !== undefined) await fetch(`${system.url()}/webhook-endpoints/${id}`, { method: 'DELETE' }).catch(() => {});
		await pause(200);
	}
}

beforeAll(async () => {
	system = await System.create({ HOLD_LIMIT: '2s', PROVIDER_TIMEOUT: '1s', LOG_LEVEL: 'warn' });
	client = new Client(system.url);
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
	expect({ point, ...(await running.exited) }).toEqual({ point, code: null, signal: 'SIGKILL' });
	expect({ point, halfDone: await halfDone(system) }).toEqual({ point, halfDone: [] });
}

it('dies at every point that a plain process passes', async () => {
	for (const point of plainPoints) await dieAt(point);
}, 600_000);

it('dies at every point of a message that cannot be sent', async () => {
	// While processes are dead, so that the locks of this wait for nobody.
	await system.sql(REFUSE);
	for (const point of refusedPoints) await dieAt(point);
	await system.sql(ACCEPT);
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
