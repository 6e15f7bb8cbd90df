/** Looks into the queues beside a transaction that stays open: what was taken is not walked over again, and nothing is missed. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, it, jest } from '@jest/globals';
import pg from 'pg';
import { HOUR, SECOND } from '../../../domain/time.ts';
import type { CarrierMessage } from '../../../mixins/brokers/carrier.ts';
import { PostgresCarrier } from '../../../mixins/brokers/postgres/carrier.ts';
import { OutboxRelay } from '../../../mixins/outbox/relay.ts';
import { Loop } from '../../../mixins/runtime/loop.ts';
import { lookingBack } from '../../../mixins/runtime/low-water.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { newEvent, store, TOPOLOGY } from '../fixtures/outbox.ts';

jest.setTimeout(4 * PATIENCE);

/** So many messages go through both queues, and leave an entry each. */
const DEAD = 20_000;

let server: TestDatabase;
let stranger: pg.Client;
let carrier: PostgresCarrier;
let loops: Loop[];
const handled = new Set<string>();

beforeAll(async () => {
	server = await startTestDatabase();
	carrier = new PostgresCarrier(server.database, TOPOLOGY, server.log);
	const relay = new OutboxRelay(server.database, carrier);
	const relaying = new Loop('relay', server.log, () => relay.step());
	loops = [
		relaying,
		lookingBack(
			'relay',
			server.log,
			() => relay.lookBack(),
			() => relaying.wake(),
		),
	];
	stranger = new pg.Client(server.connection);
	await stranger.connect();
	await stranger.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	for (const loop of loops) loop.start();
	carrier.subscribe('all', async (deliveries) => {
		for (const { id } of deliveries) handled.add(id);
		return [];
	});
});
afterAll(async () => {
	await Promise.all(loops.map((loop) => loop.stop()));
	await carrier.close();
	await stranger.end();
	await server.stop();
});

/** Index entries that looks have come to so far, those that lead to nothing included. */
async function entriesRead(): Promise<Record<string, number>> {
	const rows = await server.query<{ name: string; read: number }>(
		`SELECT indexrelname AS name, idx_tup_read::float8 AS read FROM pg_stat_user_indexes
		WHERE indexrelname IN ('outbox_messages_unsent', 'carrier_messages_due')`,
	);
	return Object.fromEntries(rows.map(({ name, read }) => [name, read]));
}

it('a look walks over no more than was taken lately, however much a long transaction keeps', async () => {
	const messages = Array.from({ length: DEAD }, () => newEvent());
	for (let from = 0; from < DEAD; from += 2_000) await store(server.database, messages.slice(from, from + 2_000));
	await until(() => handled.size === DEAD, 'all are handled');
	// Now and then a look begins at the beginning. Each queue does so at times of its own, so each is watched by itself.
	const isShort = new Set<string>();
	await until(async () => {
		const before = await entriesRead();
		await pause(3 * SECOND); // several looks, and what their sessions have counted is told
		const after = await entriesRead();
		for (const [name, read] of Object.entries(after)) if (read - (before[name] ?? 0) < DEAD / 2) isShort.add(name);
		return isShort.size === 2;
	}, 'looks are short again');
});

it('what is committed late, before the place where looks begin, is found all the same', async () => {
	const late: CarrierMessage = { id: newId(1), type: 'OrderDue', key: newId(1), body: '{}', deliverAt: null, delay: 0 };
	await server.query(
		`INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, body)
		VALUES ('all', statement_timestamp() - $1::float8 * interval '1 millisecond', $2, $3, $4, $5)`,
		[HOUR, late.id, late.type, late.key, late.body],
	);
	const event = newEvent();
	await server.query(
		`INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
		VALUES ($1, 1, $2, 'OrderPending', now(), '{"version":1}')`,
		[event.orderId, event.id],
	);
	await server.query(
		`INSERT INTO outbox_messages (position, message_id, type, order_id, sequence) OVERRIDING SYSTEM VALUE
		VALUES (1, $1, 'OrderPending', $2, 1)`,
		[event.id, event.orderId],
	);
	await until(() => handled.has(late.id) && handled.has(event.id), 'both are handled');
});
