/** The carrier on a Redis Cluster: all its keys in one slot, found wherever that slot is. */

import { afterEach, expect, it, jest } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { HOUR, SECOND } from '../../../domain/time.ts';
import { RedisCarrier } from '../../../mixins/brokers/redis/carrier.ts';
import { describeBroker } from '../../support/brokers.ts';
import { machineClock } from '../../support/clock.ts';
import { memoryLog } from '../../support/database.ts';
import { redisUrl, startRedis, type TestRedis } from '../../support/redis.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { Collector, TOPOLOGY, toMessage, toMessages } from '../carrier-bench.ts';

jest.setTimeout(3 * PATIENCE);

const SLOTS = 16_384;

await describeBroker(redis, 'the Redis carrier on a cluster', () => {
	const log = memoryLog();
	const cleanUp: (() => unknown)[] = [];

	afterEach(async () => {
		for (const action of cleanUp.splice(0).toReversed()) await action();
		log.lines.splice(0);
	});

	interface Node extends TestRedis {
		readonly busPort: number;
	}

	async function startNode(): Promise<Node> {
		const busPort = await freePort();
		const node = await startRedis({ 'cluster-enabled': 'yes', 'cluster-port': String(busPort) });
		cleanUp.push(() => node.stop());
		return { ...node, busPort };
	}

	const agree = (nodes: readonly Node[]): Promise<boolean> =>
		until(async () => {
			const states = await Promise.all(nodes.map(({ ask }) => ask((client) => client.cluster('INFO'))));
			return states.every((state) => state.includes('cluster_state:ok'));
		}, 'the cluster works');

	const slotOf = ({ ask }: Node, key: string): Promise<number> => ask((client) => client.cluster('KEYSLOT', key));
	const nameOf = ({ ask }: Node): Promise<string> => ask((client) => client.call('CLUSTER', 'MYID') as Promise<string>);
	const keysOn = ({ ask }: Node): Promise<string[]> => ask((client) => client.keys('*'));

	/** Two nodes, of which the second holds our slot. */
	async function startPair(): Promise<readonly [Node, Node, number]> {
		const [one, two] = [await startNode(), await startNode()];
		const slot = await slotOf(one, '{protected-payment}');
		await one.ask(async (client) => {
			await client.call('CLUSTER', 'ADDSLOTSRANGE', 0, slot - 1);
			await client.call('CLUSTER', 'MEET', '127.0.0.1', new URL(two.url).port, two.busPort);
		});
		await two.ask((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', slot, SLOTS - 1));
		await agree([one, two]);
		return [one, two, slot];
	}

	function open(url: string): RedisCarrier {
		const carrier = new RedisCarrier(redisUrl(url), TOPOLOGY, log, { clock: machineClock });
		cleanUp.push(() => carrier.close());
		return carrier;
	}

	it('keeps every key in one slot, through all that can happen to a message', async () => {
		const node = await startNode();
		await node.ask((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', 0, SLOTS - 1));
		await agree([node]);
		const carrier = open(node.url);
		await carrier.trusted;
		await node.ask((client) => client.xgroup('CREATE', '{protected-payment}:events', 'audit', '0', 'MKSTREAM'));
		const bad = toMessage({ type: 'Beta' });
		const collector = new Collector(async (deliveries) =>
			deliveries.filter(({ id, attempt }) => id === bad.id && attempt < 8).map(({ id }) => ({ id, error: 'ill' })),
		);
		carrier.subscribe('first', collector.handle);
		const soon = toMessage({ deliverAt: Date.now() + SECOND, delay: SECOND });
		const late = toMessage({ deliverAt: Date.now() + HOUR, delay: HOUR });
		const now = toMessages(100);
		expect(await carrier.publish([bad, soon, late, ...now])).toEqual([]);
		await collector.hasHandled([soon, ...now]);
		await until(async () => {
			for (const key of await keysOn(node))
				if (key.includes('delayed:first')) await node.ask((client) => client.zunionstore(key, 1, key, 'WEIGHTS', 0));
			return collector.handled.has(bad.id);
		});
		expect(collector.count(bad.id)).toBe(8);

		const keys = await keysOn(node);
		expect(keys.sort()).toEqual(
			['delayed:second', 'events', 'messages:first', 'messages:second']
				.map((name) => `{protected-payment}:${name}`)
				.sort(),
		);
		expect(new Set(await Promise.all(keys.map((key) => slotOf(node, key)))).size).toBe(1);
	});

	it('finds the node of its slot from any other', async () => {
		const [one, two] = await startPair();
		const carrier = open(one.url);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle, { concurrency: 2 });
		const messages = [...toMessages(20), toMessage({ deliverAt: Date.now() + SECOND, delay: SECOND })];
		expect(await carrier.publish(messages)).toEqual([]);
		await collector.hasHandled(messages);
		expect(await keysOn(one)).toEqual([]);
		expect(await keysOn(two)).not.toEqual([]);
		expect(carrier.waitsFor).toBeUndefined();
	});

	it('follows its slot to another node, with what waits there', async () => {
		const [one, two, slot] = await startPair();
		const carrier = open(two.url);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		const before = toMessages(20);
		const waiting = toMessages(50, { deliverAt: Date.now() + 4 * SECOND, delay: 4 * SECOND });
		await carrier.publish([...before, ...waiting]);
		await collector.hasHandled(before);

		const [nameOfOne, nameOfTwo] = [await nameOf(one), await nameOf(two)];
		await one.ask((client) => client.cluster('SETSLOT', slot, 'IMPORTING', nameOfTwo));
		await two.ask((client) => client.cluster('SETSLOT', slot, 'MIGRATING', nameOfOne));
		const target = Number(new URL(one.url).port);
		for (const key of await keysOn(two))
			await until(async () => {
				await two.ask((client) => client.migrate('127.0.0.1', target, key, 0, 5_000));
				return true;
			});
		for (const { ask } of [one, two]) await ask((client) => client.cluster('SETSLOT', slot, 'NODE', nameOfOne));

		const after = toMessages(20);
		await until(async () => (await carrier.publish(after)).length === 0);
		await collector.hasHandled([...waiting, ...after]);
		expect(await keysOn(two)).toEqual([]);
		await until(() => carrier.waitsFor === undefined);
	});

	it('waits for a cluster in which nobody holds its slot', async () => {
		const node = await startNode();
		const carrier = open(node.url);
		await expect(carrier.publish([toMessage()])).rejects.toThrow('no node of the Redis Cluster holds slot');
		await until(() => carrier.waitsFor?.startsWith('no node of the Redis Cluster'));
		await node.ask((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', 0, SLOTS - 1));
		await until(async () => (await carrier.publish([toMessage()])).length === 0);
		await carrier.trusted;
	});
});
