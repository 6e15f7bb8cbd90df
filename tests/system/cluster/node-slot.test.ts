/** The places of nodes, on a real PostgreSQL whose sessions break in every way. */
import { crc32 } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { redis } from '../../../bin/brokers/redis.ts';
import { type NodePlace, NodeSlot, nodeNameOf } from '../../../mixins/cluster/node-slot.ts';
import { SERVICE_NAMES } from '../../../mixins/settings/settings.ts';
import { testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Cluster, ready } from '../../support/cluster.ts';
import { type MemoryLog, memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const SESSIONS = `FROM pg_stat_activity WHERE application_name LIKE 'protected-payment slot %'`;

let database: TestDatabase;
let open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
	database = await startTestDatabase();
}, 60_000);
afterEach(async () => {
	for (const close of open.reverse()) await close();
	open = [];
}, 60_000);
afterAll(() => database.stop());

interface Held {
	readonly slot: NodeSlot;
	readonly log: MemoryLog;
	readonly lost: () => boolean;
}

function start(name: string): Held {
	const log = memoryLog();
	let lost = false;
	const onLost = (): void => {
		lost = true;
	};
	const slot = new NodeSlot({ connection: database.connection, name, log, onLost });
	open.push(() => slot.stop());
	slot.start();
	return { slot, log, lost: () => lost };
}

async function place(held: Held): Promise<NodePlace> {
	return await held.slot.taken;
}

/** Somebody who waits for a place, and has it the moment that it is free. */
async function waitFor(name: string, number: number): Promise<void> {
	const rival = new pg.Client(database.connection);
	rival.on('error', () => {});
	await rival.connect();
	open.push(() => rival.end());
	void rival.query('SELECT pg_advisory_lock($1, $2)', [crc32(name) & 0x7fff_ffff, number]).catch(() => {});
	const waiting = `SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
	await until(async () => (await database.query<{ count: number }>(waiting))[0]?.count === 1);
}

describe('the name of a node', () => {
	it.each([
		[[...SERVICE_NAMES], 'all'],
		[['orders'], 'orders'],
		[['orders', 'gateway'], 'gateway_orders'],
	] as const)('that runs %j is %s', (services, name) => expect(nodeNameOf(services)).toBe(name));
});

describe('a slot', () => {
	it('is the lowest that is free, of each name', async () => {
		const first = start('orders');
		expect(await place(first)).toMatchObject({ nodeID: 'orders-0' });
		const second = start('orders');
		expect(await place(second)).toMatchObject({ nodeID: 'orders-1' });
		expect(await place(start('shipping'))).toMatchObject({ nodeID: 'shipping-0' });
		await first.slot.stop();
		expect(await place(start('orders'))).toMatchObject({ nodeID: 'orders-0' });
		expect(await place(start('orders'))).toMatchObject({ nodeID: 'orders-2' });
		expect(second.slot.trouble).toBeUndefined();
	});

	it('is taken by one of many that start at once', async () => {
		const places = await Promise.all(Array.from({ length: 8 }, () => place(start('crowd'))));
		expect(places.map(({ nodeID }) => nodeID).sort()).toEqual(Array.from({ length: 8 }, (_, slot) => `crowd-${slot}`));
	});

	it('comes with the name of the system, which is the same for all its nodes and no other', async () => {
		const [one, two] = [await place(start('one')), await place(start('two'))];
		expect(one.namespace).toMatch(/^protected-payment-[0-9a-f]{8}$/);
		expect(two.namespace).toBe(one.namespace);
		await database.reset();
		expect((await place(start('three'))).namespace).not.toBe(one.namespace);
	});

	it('waits for a database that is away', async () => {
		await database.takeDown();
		const held = start('patient');
		await until(() => held.log.lines.length > 0);
		expect(held.slot.trouble).toBe('no place among the nodes yet');
		await database.bringUp();
		expect(await place(held)).toMatchObject({ nodeID: 'patient-0' });
		expect(held.slot.trouble).toBeUndefined();
	}, 60_000);

	it('is taken again when its session was ended', async () => {
		const held = start('tenacious');
		await place(held);
		for (let times = 1; times <= 3; times += 1) {
			await database.query(`SELECT pg_terminate_backend(pid) ${SESSIONS}`);
			await until(() => held.log.lines.filter((line) => line.includes('tenacious-0 is held again')).length === times);
			expect(held.slot.trouble).toBeUndefined();
		}
		expect(held.lost()).toBe(false);
	});

	it('is not held while the database is away, and is taken again when it is back', async () => {
		const held = start('durable');
		await place(held);
		await database.takeDown();
		await until(() => held.slot.trouble === 'the place among the nodes is not held');
		await database.bringUp();
		await until(() => held.slot.trouble === undefined);
		expect(held.lost()).toBe(false);
	}, 60_000);

	it('is taken back from a session of its own that the server still believes in', async () => {
		const held = start('haunted');
		await place(held);
		const [ghost] = await database.query<{ pid: number }>(`SELECT pid ${SESSIONS}`);
		const pid = ghost?.pid ?? 0;
		process.kill(pid, 'SIGSTOP'); // it answers no more, and cannot be ended
		try {
			await until(() => held.slot.trouble !== undefined);
			const sessions = async (): Promise<number> => (await database.query(`SELECT pid ${SESSIONS}`)).length;
			await until(async () => (await sessions()) > 1, 'it tries again');
			expect(held.lost()).toBe(false);
		} finally {
			process.kill(pid, 'SIGCONT');
		}
		await until(() => held.slot.trouble === undefined);
		expect(held.lost()).toBe(false);
	}, 60_000);

	it('is lost if somebody else has it by then', async () => {
		const held = start('unlucky');
		await place(held);
		await waitFor('unlucky', 0);
		await database.query(`SELECT pg_terminate_backend(pid) ${SESSIONS}`);
		await until(() => held.lost());
		expect(held.slot.trouble).toBe('the place among the nodes is not held');
	});
});

await describeBroker(redis, 'a process that has lost its slot', () => {
	it('ends at once, with one line', async () => {
		const broker = await testBroker(redis);
		open.push(() => broker.dispose());
		await broker.up();
		const cluster = await Cluster.create(database, broker.url);
		open.push(() => cluster.dispose());
		const running = cluster.start('orders');
		await ready(running);
		await waitFor('orders', 0);
		await database.query(`SELECT pg_terminate_backend(pid) ${SESSIONS}`);
		expect(await running.exited).toEqual({ code: 1, signal: null });
		expect(running.errors.at(-1)).toBe('another process has taken the place of orders');
	}, 120_000);
});
