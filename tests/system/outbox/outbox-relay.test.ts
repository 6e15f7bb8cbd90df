import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { DAY, SECOND } from '../../../domain/time.ts';
import type { Carrier, CarrierMessage } from '../../../mixins/brokers/carrier.ts';
import { PostgresCarrier } from '../../../mixins/brokers/postgres/carrier.ts';
import { DatabaseUnavailable } from '../../../mixins/database/database.ts';
import { outboxStats } from '../../../mixins/outbox/operations.ts';
import { OutboxRelay } from '../../../mixins/outbox/relay.ts';
import type { CrashPoint } from '../../../mixins/runtime/crash-points.ts';
import { Loop } from '../../../mixins/runtime/loop.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { newEvent, newWakeUp, store, TOPOLOGY, withoutPublishIn } from '../fixtures/outbox.ts';

jest.setTimeout(3 * PATIENCE);

let server: TestDatabase;
let postgres: PostgresCarrier;
let leasing: Carrier;

beforeAll(async () => {
	server = await startTestDatabase();
	postgres = new PostgresCarrier(server.database, TOPOLOGY, server.log);
	leasing = withoutPublishIn(postgres);
});
afterAll(() => server?.stop());
beforeEach(() => server.reset());

const events = (count: number) => Array.from({ length: count }, () => newEvent());

const step = (carrier: Carrier): Promise<number> => new OutboxRelay(server.database, carrier).step();

/** The ids that the carrier holds, as often as it holds them, in the order of their arrival. */
async function carried(): Promise<string[]> {
	return (await server.query<{ id: string }>('SELECT id FROM carrier_messages')).map(({ id }) => id);
}

interface Row {
	message_id: string;
	attempts: number;
	last_error: string | null;
	sent: boolean;
	/** milliseconds until it may be sent */
	wait: number;
}

const outbox = (): Promise<Row[]> =>
	server.query<Row>(
		`SELECT message_id, attempts, last_error, sent_at IS NOT NULL AS sent,
			(extract(epoch FROM available_at - clock_timestamp()) * 1000)::float8 AS wait
		FROM outbox_messages ORDER BY position`,
	);

/** Lets time pass for the rows that wait. */
const skipWaiting = (): Promise<object[]> =>
	server.query('UPDATE outbox_messages SET available_at = statement_timestamp() WHERE sent_at IS NULL');

/** Runs one step in another process, which dies at the crash point. */
async function stepAndDie(way: 'publish' | 'publishIn', at: CrashPoint): Promise<void> {
	const program = join(import.meta.dirname, '../fixtures/outbox-relay-process.ts');
	const args = [program, JSON.stringify(server.connection), JSON.stringify(TOPOLOGY), way];
	const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, CRASH_AT: at } });
	const [, signal] = await once(child, 'exit');
	expect(signal).toBe('SIGKILL');
}

describe.each(['publishIn', 'publish'] as const)('the relay with a carrier that has %s', (way) => {
	const carrierOf = (): Carrier => (way === 'publishIn' ? postgres : leasing);

	/** A carrier that takes everything and keeps it in a list. */
	const recorder = (published: CarrierMessage[]): Carrier => {
		const take = (messages: readonly CarrierMessage[]) => {
			published.push(...messages);
			return [];
		};
		const publish = async (messages: readonly CarrierMessage[]) => take(messages);
		return { ...leasing, publish, ...(way === 'publishIn' && { publishIn: (_, messages) => take(messages) }) };
	};

	it('sends every row exactly once, however many relays are at work', async () => {
		const messages = events(6_000);
		await store(server.database, messages.slice(0, 3_000));
		const loops = Array.from({ length: 4 }, () => {
			const database = server.open(4);
			const own = new PostgresCarrier(database, TOPOLOGY, server.log);
			const relay = new OutboxRelay(database, way === 'publishIn' ? own : withoutPublishIn(own));
			return new Loop('relay', server.log, () => relay.step());
		});
		for (const loop of loops) loop.start();
		for (let from = 3_000; from < messages.length; from += 150) {
			await store(server.database, messages.slice(from, from + 150));
			for (const loop of loops) loop.wake();
		}
		await until(async () => (await outboxStats(server.database)).unsent === 0, 'all are sent');
		await Promise.all(loops.map((loop) => loop.stop()));
		expect((await carried()).sort()).toEqual(messages.map(({ id }) => id).sort());
	});

	it('keeps the order of an order where one relay is at work', async () => {
		const orders = [newEvent().orderId, newEvent().orderId, newEvent().orderId];
		const published: CarrierMessage[] = [];
		let sequence = 0;
		const storeSome = async (batches: number): Promise<void> => {
			for (let batch = 0; batch < batches; batch += 1) {
				const from = sequence + 1;
				sequence += 50;
				const more = Array.from({ length: 50 }, (_, index) =>
					orders.map((orderId) => newEvent({ orderId, sequence: from + index, data: { version: 1, batch } })),
				);
				await store(server.database, more.flat());
			}
		};
		for (let round = 0; round < 3; round += 1) {
			await storeSome(8);
			await until(async () => (await step(recorder(published))) > 0 && published.length === 3 * sequence);
			await server.query(`DELETE FROM outbox_messages WHERE sent_at IS NOT NULL AND position % 3 <> 0`);
			await server.query('VACUUM ANALYZE outbox_messages'); // what comes next fills the gaps
		}
		for (const orderId of orders) {
			const sequences = published.filter(({ key }) => key === orderId).map(({ body }) => JSON.parse(body).sequence);
			const overtaken = sequences.filter((value, index) => index > 0 && value < sequences[index - 1]);
			expect(overtaken).toEqual([]);
		}
	});

	it('sends events and wake-ups in envelopes of their own', async () => {
		const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
		const [first] = [newEvent({ data: { version: 1, note: `"it's" {☃}` } })];
		const second = newEvent({ orderId: first.orderId, sequence: 2, type: 'OrderHeld' });
		const wakeUp = newWakeUp((await server.now()) + DAY);
		await store(server.database, [first, second, wakeUp], traceparent);
		const published: CarrierMessage[] = [];
		await step(recorder(published));
		expect(published.map(({ id, type, key, deliverAt }) => ({ id, type, key, deliverAt }))).toEqual([
			{ id: first.id, type: 'OrderPending', key: first.orderId, deliverAt: null },
			{ id: second.id, type: 'OrderHeld', key: first.orderId, deliverAt: null },
			{ id: wakeUp.id, type: 'OrderDue', key: wakeUp.orderId, deliverAt: wakeUp.at },
		]);
		const envelopes = published.map(({ body }) => JSON.parse(body));
		const common = { specversion: '1.0', datacontenttype: 'application/json', source: expect.any(String) };
		for (const [index, event] of [first, second].entries()) {
			const { id, type, orderId: subject, sequence, data } = event;
			const time = new Date(event.occurredAt).toISOString();
			expect(envelopes[index]).toEqual({ ...common, id, type, subject, sequence, time, traceparent, data });
		}
		expect(envelopes[2]).toMatchObject({ ...common, id: wakeUp.id, type: 'OrderDue', subject: wakeUp.orderId });
		expect(envelopes[2]).not.toHaveProperty('sequence');
		const delay = published[2]?.delay ?? 0;
		expect(delay).toBeGreaterThan(DAY - PATIENCE);
		expect(delay).toBeLessThanOrEqual(DAY);
		expect(published.slice(0, 2).map((message) => message.delay)).toEqual([0, 0]);
	});

	it('sends the others where one is refused, and says so', async () => {
		const messages = events(700);
		await store(server.database, messages);
		const bad = messages[3]?.id;
		await server.query(`UPDATE outbox_messages SET type = 'NoSuchType' WHERE message_id = $1`, [bad]);
		await step(carrierOf());
		await step(carrierOf());
		expect((await carried()).length).toBe(699);
		const stats = await outboxStats(server.database);
		expect(stats).toMatchObject({ unsent: 1, failing: 1 });
		expect(stats.oldest).toBeGreaterThan(0);
		expect(stats.errors).toEqual([
			{ id: bad, type: 'NoSuchType', attempts: expect.any(Number), error: expect.stringContaining('NoSuchType') },
		]);
		await server.query(`UPDATE outbox_messages SET type = 'OrderPending'`);
		await skipWaiting();
		await step(carrierOf());
		expect((await outboxStats(server.database)).unsent).toBe(0);
		expect(new Set(await carried()).size).toBe(700);
	});

	it('sends what a dead relay had in hand', async () => {
		const messages = events(20);
		await store(server.database, messages);
		const ids = messages.map(({ id }) => id).sort();
		await stepAndDie(way, way === 'publish' ? 'before:outbox.publish' : 'before:outbox.forward');
		expect(await carried()).toEqual([]);
		if (way === 'publish') {
			for (const { sent, wait } of await outbox()) {
				expect(sent).toBe(false);
				expect(wait).toBeGreaterThan(15 * SECOND);
				expect(wait).toBeLessThanOrEqual(30 * SECOND);
			}
			await step(carrierOf());
			expect(await carried()).toEqual([]); // leased still
			await skipWaiting();
		}
		await until(async () => {
			await step(carrierOf());
			return (await carried()).length > 0;
		});
		expect((await carried()).sort()).toEqual(ids);
		expect((await outbox()).every(({ sent }) => sent)).toBe(true);
	});

	it('sends again at the most what a dead relay had published but not marked', async () => {
		const messages = events(20);
		await store(server.database, messages);
		const ids = messages.map(({ id }) => id).sort();
		await stepAndDie(way, way === 'publish' ? 'after:outbox.publish' : 'after:outbox.forward');
		expect((await carried()).sort()).toEqual(ids);
		await skipWaiting();
		await step(carrierOf());
		expect((await carried()).sort()).toEqual(way === 'publish' ? ids.flatMap((id) => [id, id]) : ids);
		expect((await outboxStats(server.database)).unsent).toBe(0);
	});
});

describe('a carrier with a lease', () => {
	it('is told what is left of a delay in the moment of publishing, however long ago the row was read', async () => {
		const due = (await server.now()) + 60 * SECOND;
		await store(server.database, [...events(500), newWakeUp(due)]); // the wake-up is in the second batch
		let left = Number.NaN;
		let expected = Number.NaN;
		const slow: Carrier = {
			...leasing,
			publish: async (messages) => {
				const wakeUp = messages.find(({ deliverAt }) => deliverAt !== null);
				if (wakeUp === undefined) await pause(700);
				else [left, expected] = [wakeUp.delay, due - (await server.now())];
				return [];
			},
		};
		await step(slow);
		expect(left).toBeGreaterThan(expected - 1); // the database's clock is read in whole milliseconds
		expect(left).toBeLessThan(expected + 500);
	});

	it('does not take back what another relay has sent since the lease ran out', async () => {
		await store(server.database, events(5));
		const late: Carrier = {
			...leasing,
			publish: async () => {
				await skipWaiting();
				await step(leasing);
				throw new Error('nobody there any more');
			},
		};
		await step(late);
		expect((await outbox()).map(({ attempts, sent }) => ({ attempts, sent }))).toEqual(
			Array(5).fill({ attempts: 0, sent: true }),
		);
	});

	it.each([1, 3])('gets full batches, no more than %i at once, each marked, in one step', async (publications) => {
		await store(server.database, events(1_700));
		const sizes: number[] = [];
		let atOnce = 0;
		let most = 0;
		const counting: Carrier = {
			...leasing,
			publications,
			publish: async (messages) => {
				sizes.push(messages.length);
				atOnce += 1;
				most = Math.max(most, atOnce); // more could overtake each other, and with them an order's messages
				await until(() => most >= publications, 'all that may are under way');
				await pause(20);
				atOnce -= 1;
				return [];
			},
		};
		await until(async () => (await step(counting)) > 0, 'all are sent');
		expect(sizes).toEqual([500, 500, 500, 200]);
		expect(most).toBe(publications);
		expect((await outbox()).every(({ sent }) => sent)).toBe(true);
	});
});

describe('a carrier that is away', () => {
	it('is tried for ever, at most 5 s apart, and nothing is lost', async () => {
		const messages = events(5);
		await store(server.database, messages);
		const away: Carrier = { ...leasing, publish: () => Promise.reject(new Error('nobody \u0000 there')) };
		for (let attempt = 1; attempt <= 40; attempt += 1) {
			await step(away);
			const expected = Math.min(5 * SECOND, 250 * 2 ** (attempt - 1));
			for (const { attempts, sent, wait, last_error } of await outbox()) {
				expect({ attempts, sent }).toEqual({ attempts: attempt, sent: false });
				expect(last_error).toContain('there');
				expect(wait).toBeLessThanOrEqual(expected);
				expect(wait).toBeGreaterThan(expected - 5 * SECOND);
			}
			if (attempt < 4) await step(away); // too early, unless this machine is very slow
			await skipWaiting();
			if ((await outboxStats(server.database)).failing !== 5) throw new Error('the stats do not say so');
		}
		await step(leasing);
		expect((await carried()).sort()).toEqual(messages.map(({ id }) => id).sort());
		expect((await outboxStats(server.database)).errors).toEqual([]);
	});

	it('is left alone for a moment, whoever wakes the relay, and not asked for one batch after the other', async () => {
		await store(server.database, events(3_000));
		let asked = 0;
		const away: Carrier = {
			...leasing,
			publish: () => {
				asked += 1;
				return Promise.reject(new Error('nobody there'));
			},
		};
		const relay = new OutboxRelay(server.database, away);
		await relay.step();
		expect(asked).toBeLessThanOrEqual(2); // the batch that was leased meanwhile
		const tried = (await outbox()).filter(({ attempts }) => attempts > 0);
		expect(tried).toHaveLength(500 * asked);
		const before = asked;
		expect(await relay.step()).toBeGreaterThan(0);
		expect(asked).toBe(before);
	});

	it('leaves everything as it was where it shares the database', async () => {
		await store(server.database, events(5));
		const publishIn = (): never => {
			throw new DatabaseUnavailable('away');
		};
		const away: Carrier = { ...leasing, publishIn };
		await expect(step(away)).rejects.toThrow('away');
		expect((await outbox()).map(({ attempts, sent }) => ({ attempts, sent }))).toEqual(
			Array(5).fill({ attempts: 0, sent: false }),
		);
		await step(postgres);
		expect(await carried()).toHaveLength(5);
	});
});

it('finds the rows that break a whole batch, and sends the others', async () => {
	const messages = events(120);
	const bad = new Set([messages[0]?.id, messages[77]?.id]);
	await store(server.database, messages);
	const carrier: Carrier = {
		...leasing,
		publishIn: (tx, batch) => {
			if (batch.some(({ id }) => bad.has(id)))
				tx.write({ name: 'breaks', text: 'INSERT INTO carrier_messages (consumer) VALUES (1 / 0)', values: [] });
			return postgres.publishIn(tx, batch);
		},
	};
	await step(carrier);
	expect(await carried()).toHaveLength(118);
	expect((await carried()).filter((id) => bad.has(id))).toEqual([]);
	const { unsent, failing, errors } = await outboxStats(server.database);
	expect({ unsent, failing }).toEqual({ unsent: 2, failing: 2 });
	expect(new Set(errors.map(({ id }) => id))).toEqual(bad);
	expect(errors[0]).toMatchObject({ attempts: 1, error: expect.stringContaining('zero') });
	for (const { sent, wait } of await outbox()) if (!sent) expect(wait).toBeLessThanOrEqual(30 * SECOND);
});
