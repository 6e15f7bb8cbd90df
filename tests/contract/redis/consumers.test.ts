/** What consumers on Redis do beyond the contract: who dies, who is slow, what is lost, what is not ours. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { redis } from '../../../bin/brokers/redis.ts';
import { HOUR, SECOND } from '../../../domain/time.ts';
import type { BatchHandler } from '../../../mixins/brokers/carrier.ts';
import { RedisCarrier } from '../../../mixins/brokers/redis/carrier.ts';
import { CLAIM_AFTER } from '../../../mixins/brokers/redis/consumer.ts';
import { keysOf } from '../../../mixins/brokers/redis/keys.ts';
import { encode } from '../../../mixins/brokers/redis/message.ts';
import { describeBroker } from '../../support/brokers.ts';
import { redisUrl, type TestRedis } from '../../support/redis.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { Bench, Collector, idsOf, TOPOLOGY, toMessage, toMessages } from '../carrier-bench.ts';
import { redisHarness } from './harness.ts';

jest.setTimeout(3 * PATIENCE);

await describeBroker(redis, 'consumers of the Redis carrier', () => {
	const harness = redisHarness();
	let bench: Bench;

	beforeAll(() => harness.start());
	afterAll(() => harness.stop());
	beforeEach(async () => {
		bench = await Bench.open(harness);
	});
	afterEach(() => bench.close());

	const prefix = (): string => JSON.parse(bench.space.address).prefix;
	const keys = () => keysOf(prefix(), Object.keys(TOPOLOGY.consumers));
	const stream = (): string => keys().groups[0]?.stream ?? '';
	const delayed = (): string => keys().groups[0]?.delayed ?? '';
	const ask: TestRedis['ask'] = (commands) => harness.redis().ask(commands);
	const length = (): Promise<number> => ask((client) => client.xlen(stream()));
	const consumers = async (): Promise<string[]> =>
		((await ask((client) => client.xinfo('CONSUMERS', stream(), 'first'))) as string[][]).map(([, name]) => name ?? '');

	it.each(['FLUSHALL', 'DEL of the stream', 'a wiped folder'])('go on at once after %s', async (loss) => {
		const carrier = bench.open();
		const collector = new Collector();
		carrier.subscribe('first', collector.handle, { concurrency: 2 });
		carrier.subscribe('second', new Collector().handle);
		const before = toMessages(5);
		await carrier.publish(before);
		await collector.hasHandled(before);
		if (loss === 'FLUSHALL') await ask((client) => client.flushall());
		else if (loss === 'DEL of the stream') await ask((client) => client.del(stream()));
		else {
			const { server } = harness.redis();
			await server.down();
			await server.wipe();
			await server.up();
		}
		const after = [...toMessages(5), await bench.delayed(SECOND)];
		await bench.publish(carrier, after);
		await collector.hasHandled(after);
		await bench.drained('first');
	});

	it('lose nothing when their connections are cut all the time', async () => {
		const collector = new Collector();
		const carrier = bench.open();
		carrier.subscribe('first', collector.handle, { batch: 20, concurrency: 2 });
		const published = toMessages(1_000);
		for (let from = 0; from < published.length; from += 20) {
			await bench.publish(carrier, published.slice(from, from + 20));
			if (from % 100 === 0) await ask((client) => client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
		}
		await collector.hasHandled(published);
		await bench.drained('first');
	});

	it('take over from the dead, forget their names, and leave the slow alone', async () => {
		const messages = toMessages(30);
		await bench.open().publish(messages);
		const victim = await bench.openHangingProcess('first');
		const gate = bench.gate();
		const slow = new Collector(async () => {
			await gate.passed;
			return [];
		});
		bench.open().subscribe('first', slow.handle, { batch: 10 });
		await until(() => slow.batches.length === 1);
		const slowFrom = performance.now();
		const other = new Collector();
		bench.open().subscribe('first', other.handle, { batch: 10 });
		await until(async () => (await consumers()).length === 3);
		victim.kill();
		await other.hasHandled(victim.ids.map((id) => ({ id })));
		await until(async () => (await consumers()).length === 2);
		await until(() => performance.now() - slowFrom > 2 * CLAIM_AFTER);
		gate.open();
		await slow.hasHandled((slow.batches[0] ?? []).map(({ id }) => ({ id })));
		await bench.drained('first');
		expect(idsOf(slow.received).filter((id) => other.count(id) > 0)).toEqual([]);
		expect(other.received.every(({ attempt }) => attempt === 1)).toBe(true);
	});

	it('give what they cannot handle to somebody who can', async () => {
		const broken = new Collector(async () => {
			throw new Error('no database');
		});
		const sound = new Collector();
		bench.open().subscribe('first', broken.handle, { batch: 10 });
		const messages = toMessages(10);
		await bench.open().publish(messages);
		await until(() => broken.batches.length > 1);
		bench.open().subscribe('first', sound.handle, { batch: 10 });
		await sound.hasHandled(messages);
		await bench.drained('first');
	});

	it('are no more once they are closed', async () => {
		const gate = bench.gate();
		const slow = new Collector(async () => {
			await gate.passed;
			return [];
		});
		const carrier = bench.open();
		const subscriptions = [1, 2].map(() => carrier.subscribe('first', slow.handle, { batch: 1, concurrency: 2 }));
		await carrier.publish(toMessages(4));
		await until(() => slow.batches.length === 4);
		expect(await consumers()).toHaveLength(4);
		gate.open();
		await subscriptions[0]?.close();
		expect(await consumers()).toHaveLength(2);
		await carrier.close();
		expect(await consumers()).toEqual([]);
	});

	it('see nothing trimmed that anybody still needs', async () => {
		const carrier = bench.open();
		const messages = toMessages(300);
		await carrier.publish(messages.slice(0, 200));
		const gate = bench.gate();
		const holding = new Collector(async () => {
			await gate.passed;
			return [];
		});
		bench.open().subscribe('first', holding.handle, { batch: 10 });
		await until(() => holding.batches.length === 1);
		await ask((client) => client.xgroup('CREATE', stream(), 'stranger', '0'));
		const quick = new Collector();
		bench.open().subscribe('first', quick.handle, { batch: 7 });
		await quick.hasHandled(messages.slice(10, 200));
		expect(await length()).toBe(200); // the first ten are in hand

		gate.open();
		await bench.drained('first');
		await carrier.publish(messages.slice(200, 250));
		await bench.drained('first');
		expect(await length()).toBe(250); // a stranger's group has read nothing yet

		const read = await ask((client) =>
			client.xreadgroup('GROUP', 'stranger', 'x', 'COUNT', 120, 'STREAMS', stream(), '>'),
		);
		const ids = (read as [[string, [string][]]])[0][1].map(([id]) => id);
		expect(ids).toHaveLength(120);
		await ask((client) => client.xack(stream(), 'stranger', ...ids.slice(0, 100), ...ids.slice(101)));
		await carrier.publish(messages.slice(250));
		await bench.drained('first');
		await until(async () => (await length()) === 200); // the stranger has one in hand
		expect((await ask((client) => client.xrange(stream(), '-', '+', 'COUNT', 1))).map(([id]) => id)).toEqual([
			ids[100],
		]);

		await ask((client) => client.xgroup('DESTROY', stream(), 'stranger'));
		await carrier.publish([toMessage()]);
		await until(async () => (await length()) === 0);
		expect(new Set([...holding.handled, ...quick.handled]).size).toBe(301);
	});

	it('give what is not for them as unreadable, with the reason, until somebody has taken it', async () => {
		const [unheard, good] = [toMessage({ type: 'Gamma' }), toMessages(3)];
		const stranger = encode({ ...unheard, attempts: 0 });
		await ask(async (client) => {
			await client.xadd(stream(), '*', 'hello', 'world', 'message2', 'x');
			await client.xadd(stream(), '*', 'message', '{"specversion":"1.0"}');
			await client.xadd(stream(), '*', 'message', '{"specversion":"1.0"}');
			await client.xadd(stream(), '*', 'message', stranger);
			await client.zadd(delayed(), 0, 'late rubbish');
		});
		const carrier = bench.open();
		let throws = 3;
		const collector = new Collector(async (deliveries) => {
			throws -= deliveries.some(({ unreadable }) => unreadable !== undefined) ? 1 : 0;
			if (throws >= 0) throw new Error('the database is away');
			return [];
		});
		carrier.subscribe('first', collector.handle);
		await carrier.publish(good);
		await collector.hasHandled(good);
		const rubbish = [
			'["hello","world","message2","x"]',
			'{"specversion":"1.0"}',
			'{"specversion":"1.0"}',
			'late rubbish',
		];
		await until(() => collector.handled.size === good.length + rubbish.length + 1);
		await bench.drained('first');
		const byId = Map.groupBy(
			collector.received.filter(({ unreadable }) => unreadable !== undefined),
			({ id }) => id,
		);
		const found = Array.from(byId.values(), ([first]) => first);
		expect(found.map((delivery) => delivery?.body).sort()).toEqual([...rubbish, unheard.body].sort());
		const { id, type, key } = unheard;
		expect(byId.get(id)?.[0]).toMatchObject({
			...{ id, type, key, attempt: 1 },
			unreadable: 'not understood: nobody here takes the type Gamma',
		});
		expect(found.filter((delivery) => delivery?.unreadable === 'not understood: no header')).toHaveLength(4);
		for (const each of byId.keys()) expect(each).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
	});

	it('give what a hundred of them have died with as unreadable, and what some have died with alone', async () => {
		const [deadly, suspects, others] = [toMessages(1), toMessages(10), toMessages(10)];
		const died = [...deadly.map(() => 100), ...suspects.map(() => 50), ...others.map(() => 5)];
		const carrier = bench.open();
		await carrier.publish([...deadly, ...suspects, ...others]);
		await ask(async (client) => {
			await client.xgroup('CREATE', stream(), 'first', '0');
			const reply = await client.xreadgroup('GROUP', 'first', 'dead', 'STREAMS', stream(), '>');
			const entries = (reply as [[string, [string][]]])[0][1];
			for (const [index, [id]] of entries.entries())
				await client.xclaim(stream(), 'first', 'dead', 0, id, 'IDLE', HOUR, 'RETRYCOUNT', died[index] ?? 0, 'JUSTID');
		});
		let throws = 3;
		const collector = new Collector(async ([first]) => {
			if (first?.unreadable !== undefined) throws -= 1;
			if (first?.unreadable !== undefined && throws >= 0) throw new Error('the database is away'); // who says so is alive
			return [];
		});
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled([...deadly, ...suspects, ...others]);
		await bench.drained('first');
		const firstOf = (ids: readonly string[]) => ids.map((id) => collector.first(id));
		expect(firstOf(idsOf(deadly))).toMatchObject([
			{
				unreadable: 'delivered 100 times without an answer',
				type: 'Alpha',
				key: deadly[0]?.key,
				body: '{}',
				attempt: 1,
			},
		]);
		for (const { unreadable } of firstOf(idsOf([...suspects, ...others]))) expect(unreadable).toBeUndefined();
		const sizes = collector.batches.map(({ length: size }) => size);
		expect(sizes.filter((size) => size === 1).length).toBeGreaterThanOrEqual(suspects.length);
		expect(sizes).toContain(others.length);
	});

	it('get on with entries that somebody deleted', async () => {
		const carrier = bench.open();
		const gate = bench.gate();
		const handle: BatchHandler = async () => {
			await gate.passed;
			throw new Error('try again');
		};
		const messages = toMessages(10);
		await carrier.publish(messages);
		const first = carrier.subscribe('first', handle, { batch: 10 });
		await until(async () => (await ask((client) => client.xpending(stream(), 'first')))[0] === 10);
		const entries = await ask((client) => client.xrange(stream(), '-', '+'));
		await ask((client) => client.xdel(stream(), ...entries.slice(0, 5).map(([id]) => id)));
		gate.open();
		await first.close();
		const collector = new Collector();
		bench.open().subscribe('first', collector.handle);
		await collector.hasHandled(messages.slice(5));
		await bench.drained('first');
		expect(collector.received).toHaveLength(5);
	});

	it('of others hear the events once they ask for them, and what they have heard is not kept', async () => {
		const { events } = keys();
		const carrier = bench.open();
		await carrier.publish(toMessages(3));
		expect(await ask((client) => client.exists(events))).toBe(0);
		await ask((client) => client.xgroup('CREATE', events, 'audit', '$', 'MKSTREAM'));
		const heard = [toMessage({ type: 'Delta', body: '{"n":1}\n' }), toMessage({ body: '{"n":2}' })];
		await carrier.publish([...heard, await bench.delayed(HOUR)]);
		const read = await ask((client) => client.xreadgroup('GROUP', 'audit', 'me', 'STREAMS', events, '>'));
		const entries = (read as [[string, [string, string[]][]]])[0][1];
		expect(entries.map(([, fields]) => fields)).toEqual([
			['event', '{"n":1}\n'],
			['event', '{"n":2}'],
		]);
		await carrier.publish([toMessage()]);
		expect(await ask((client) => client.xlen(events))).toBe(3);
		await ask((client) => client.xack(events, 'audit', ...entries.map(([id]) => id)));
		await carrier.publish([toMessage()]);
		expect(await ask((client) => client.xlen(events))).toBe(2);
		await ask((client) => client.xgroup('DESTROY', events, 'audit'));
		await carrier.publish([toMessage()]);
		expect(await ask((client) => client.xlen(events))).toBe(2);
	});

	it('count a failure once, though two of them had the message', async () => {
		const carrier = bench.open();
		const gates = [bench.gate(), bench.gate()];
		let deliveries = 0;
		const seen: number[] = [];
		const handle: BatchHandler = async (batch) => {
			seen.push(...batch.map(({ attempt }) => attempt));
			const gate = gates[deliveries];
			deliveries += 1;
			await gate?.passed;
			return gate === undefined ? [] : batch.map(({ id }) => ({ id, error: 'twice' }));
		};
		await carrier.publish([toMessage({ type: 'Beta' })]);
		carrier.subscribe('first', handle);
		await until(() => deliveries === 1);
		// The first one has been silent for long, as Redis sees it.
		await until(async () => {
			const [, id = ''] = (await ask((client) => client.xpending(stream(), 'first'))) as [number, string];
			const [owner = ''] = await consumers();
			await ask((client) => client.xclaim(stream(), 'first', owner, 0, id, 'IDLE', HOUR, 'JUSTID'));
			if (deliveries === 1 && (await consumers()).length === 1) bench.open().subscribe('first', handle);
			await pause(500);
			return deliveries === 2;
		});
		gates[0]?.open();
		await until(() => deliveries === 3); // the first one's failure is forgiven by now
		gates[1]?.open();
		const last = toMessage({ type: 'Beta' });
		await carrier.publish([last]);
		await until(() => deliveries > 3);
		await bench.drained('first');
		expect(seen).toEqual([1, 1, 2, 1]);
	});

	it('go by the clock that they are given, not by that of Redis', async () => {
		let ahead = -HOUR;
		const clock = { isRead: true, now: () => Date.now() + ahead };
		const { url }: { url: string } = JSON.parse(bench.space.address);
		const carrier = new RedisCarrier(redisUrl(url), TOPOLOGY, bench.log, { prefix: prefix(), clock });
		const failsOnce = new Collector(async (deliveries) =>
			deliveries.filter(({ attempt }) => attempt === 1).map(({ id }) => ({ id, error: 'once' })),
		);
		carrier.subscribe('first', failsOnce.handle);
		const late = await bench.delayed(HOUR / 2);
		await carrier.publish([late]);
		await until(async () => (await ask((client) => client.zcard(delayed()))) === 1);
		ahead = HOUR;
		await failsOnce.hasHandled([late]);
		expect(failsOnce.received.map(({ attempt }) => attempt)).toEqual([1, 2]);
		await carrier.close();
	});

	it('do not start on what is no stream', async () => {
		await ask((client) => client.set(stream(), 'x'));
		const carrier = bench.open();
		await expect(carrier.publish([toMessage()])).rejects.toThrow('WRONGTYPE');
		const collector = new Collector();
		const subscription = carrier.subscribe('first', collector.handle);
		await until(() => subscription.sinceLastBeat > SECOND);
		await ask((client) => client.del(stream()));
		const message = toMessage();
		await carrier.publish([message]);
		await collector.hasHandled([message]);
	});

	it('are those of the topology only', async () => {
		expect(() => bench.open().subscribe('third', async () => [])).toThrow('nobody knows the consumer group third');
	});
});
