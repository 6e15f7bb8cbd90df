/** What the carrier asks of a Redis, and what it does with one that changes, refuses, hangs or moves. */

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it, jest } from '@jest/globals';
import type { Redis } from 'ioredis';
import { freePort } from '../../../bin/brokers/ports.ts';
import { LocalRedis, redis } from '../../../bin/brokers/redis.ts';
import { SECOND } from '../../../domain/time.ts';
import { RedisCarrier, UnfitServer } from '../../../mixins/brokers/redis/carrier.ts';
import { decode } from '../../../mixins/brokers/redis/message.ts';
import { describeBroker } from '../../support/brokers.ts';
import { machineClock } from '../../support/clock.ts';
import { memoryLog } from '../../support/database.ts';
import { prepareRedis, redisUrl, startRedis, type TestRedis } from '../../support/redis.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { Collector, TOPOLOGY, toMessage, toMessages } from '../carrier-bench.ts';

jest.setTimeout(3 * PATIENCE);

await describeBroker(redis, 'the Redis carrier and its server', () => {
	const log = memoryLog();
	const cleanUp: (() => unknown)[] = [];

	afterEach(async () => {
		for (const action of cleanUp.splice(0).toReversed()) await action();
		log.lines.splice(0);
	});

	async function server(settings: Readonly<Record<string, string>> = {}): Promise<TestRedis> {
		const started = await startRedis(settings);
		cleanUp.push(() => started.stop());
		return started;
	}

	function open(url: string): RedisCarrier {
		const carrier = new RedisCarrier(redisUrl(url), TOPOLOGY, log, { clock: machineClock });
		cleanUp.push(() => carrier.close());
		return carrier;
	}

	const said = (level: string, text: string): number =>
		log.lines.filter((line) => line.startsWith(level) && line.includes(text)).length;

	/** Publishes as soon as that is possible, and looks whether it arrives. */
	async function works(carrier: RedisCarrier): Promise<void> {
		const message = toMessage();
		await until(async () => (await carrier.publish([message])).length === 0);
		const collector = new Collector();
		const subscription = carrier.subscribe('first', collector.handle);
		await collector.hasHandled([message]);
		await subscription.close();
	}

	it('is refused in one sentence while it may evict, and used as soon as it may not', async () => {
		const { url, ask } = await server({ 'maxmemory-policy': 'allkeys-lru' });
		const carrier = open(url);
		const reason = 'Redis may throw messages away: its maxmemory-policy is allkeys-lru, it must be noeviction';
		await expect(carrier.trusted).rejects.toThrow(new UnfitServer(reason));
		await expect(carrier.publish([toMessage()])).rejects.toThrow(reason);
		expect(carrier.waitsFor).toBe(reason);
		expect(said('error', reason)).toBe(1);
		expect(await ask((client) => client.dbsize())).toBe(0);

		await ask((client) => client.config('SET', 'maxmemory-policy', 'noeviction'));
		await works(carrier);
		await until(() => carrier.waitsFor === undefined);
	});

	it('is refused from the moment on that it may evict', async () => {
		const { url, ask } = await server();
		const carrier = open(url);
		await carrier.trusted;
		expect(carrier.waitsFor).toBeUndefined();
		await works(carrier);
		await ask((client) => client.config('SET', 'maxmemory-policy', 'volatile-lru'));
		await until(() => carrier.waitsFor?.includes('volatile-lru'));
		await expect(carrier.publish([toMessage()])).rejects.toThrow('volatile-lru');
		await ask((client) => client.config('SET', 'maxmemory-policy', 'noeviction'));
		await works(carrier);
	});

	it('is judged when it comes late', async () => {
		const late = await prepareRedis({ 'maxmemory-policy': 'allkeys-random' });
		cleanUp.push(() => late.stop());
		const carrier = open(late.url);
		const verdict = carrier.trusted.then(
			() => 'trusted',
			(error) => error,
		);
		await until(() => carrier.waitsFor === 'the broker cannot be reached');
		await expect(carrier.publish([toMessage()])).rejects.toThrow();
		await late.server.up();
		expect(await verdict).toBeInstanceOf(UnfitServer);
	});

	it('is warned of if it keeps nothing, and not otherwise', async () => {
		const careful = await server();
		await open(careful.url).trusted;
		expect(said('warn', 'appendonly')).toBe(0);
		const careless = await server({ appendonly: 'no' });
		await open(careless.url).trusted;
		expect(said('warn', 'appendonly')).toBe(1);
	});

	it('is not written to once its memory is full, but delivers what it holds, late or not', async () => {
		const { url, ask } = await server();
		const carrier = open(url);
		const body = JSON.stringify('x'.repeat(2_000));
		const held = toMessages(200, { body, type: 'Beta' });
		const later = toMessages(200, { body, type: 'Beta', deliverAt: Date.now() + SECOND, delay: SECOND });
		await carrier.publish([...held, ...later]);
		await ask((client) => client.config('SET', 'maxmemory', '1mb'));
		expect(carrier.waitsFor).toBeUndefined();
		await expect(carrier.publish(toMessages(3))).rejects.toThrow('OOM');
		const reason = "the broker takes no messages: OOM command not allowed when used memory > 'maxmemory'.";
		expect(carrier.waitsFor).toBe(reason);
		expect(said('warn', reason)).toBe(1);
		const failed = new Set<string>();
		const collector = new Collector(async (deliveries) => {
			const bad = deliveries.filter(({ id }) => id === held[7]?.id && !failed.has(id));
			for (const { id } of bad) failed.add(id);
			return bad.map(({ id }) => ({ id, error: 'once' }));
		});
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled([...held, ...later]);
		expect(failed.size).toBe(1);
		expect(carrier.waitsFor).toBe(reason);
		await ask((client) => client.config('SET', 'maxmemory', '0'));
		await carrier.publish(toMessages(3));
		expect(carrier.waitsFor).toBeUndefined();
		expect(said('warn', reason)).toBe(1);
	});

	it.each<[string, (client: Redis) => Promise<unknown>, (client: Redis) => Promise<unknown>]>([
		[
			'NOREPLICAS Not enough good replicas to write.',
			(client) => client.config('SET', 'min-replicas-to-write', '1'),
			(client) => client.config('SET', 'min-replicas-to-write', '0'),
		],
		[
			"NOPERM this user has no permissions to run the 'xreadgroup' command",
			(client) => client.acl('SETUSER', 'default', '-xreadgroup'),
			(client) => client.acl('SETUSER', 'default', '+xreadgroup'),
		],
		[
			"NOPERM this user has no permissions to run the 'xautoclaim' command",
			(client) => client.acl('SETUSER', 'default', '-xautoclaim'),
			(client) => client.acl('SETUSER', 'default', '+xautoclaim'),
		],
		[
			"ERR The user executing the script can't run this command or subcommand",
			(client) => client.acl('SETUSER', 'default', '-zrange'),
			(client) => client.acl('SETUSER', 'default', '+zrange'),
		],
	])('is heard when it says "%s", by a process that only consumes too, until it is over', async (words, begin, end) => {
		const { url, ask } = await server();
		const carrier = open(url);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		const first = toMessage();
		await until(async () => (await carrier.publish([first])).length === 0);
		await collector.hasHandled([first]);
		expect(carrier.waitsFor).toBeUndefined();
		await ask(begin);
		await until(() => carrier.waitsFor?.endsWith(words));
		expect(said('warn', words)).toBe(1);
		await ask(end);
		await until(() => carrier.waitsFor === undefined);
		const last = toMessage();
		await carrier.publish([last]);
		await collector.hasHandled([last]);
		expect(said('warn', words)).toBe(1);
	});

	it('may become a replica and a primary again', async () => {
		const { url, ask } = await server();
		const carrier = open(url);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await carrier.trusted;
		const nobody = await freePort();
		await ask((client) => client.replicaof('127.0.0.1', nobody));
		await expect(carrier.publish([toMessage()])).rejects.toThrow(/READONLY|replica/);
		await expect(carrier.publish([toMessage()])).rejects.toThrow('this Redis is a replica');
		await until(() => carrier.waitsFor === 'this Redis is a replica');
		await ask((client) => client.replicaof('NO', 'ONE'));
		const message = toMessage();
		await until(async () => (await carrier.publish([message])).length === 0);
		await collector.hasHandled([message]);
	});

	it('is waited for while it reads its data', async () => {
		const { server: local, url, ask } = await server();
		const carrier = open(url);
		const held = toMessages(3);
		await carrier.publish(held);
		await ask((client) => {
			const pipeline = client.pipeline();
			for (let count = 0; count < 10_000; count += 1) pipeline.incr('much to read');
			return pipeline.exec();
		});
		const [, folder = ''] = (await ask((client) => client.config('GET', 'dir'))) as string[];
		await local.down();
		// A setting for Redis's own tests: so many microseconds for each command that it reads; it answers now and then.
		const slow = new LocalRedis({ folder, port: Number(new URL(url).port) }, { 'key-load-delay': '300' });
		const starting = slow.up();
		try {
			await until(() => carrier.waitsFor === 'Redis reads its data');
			await expect(carrier.publish([toMessage()])).rejects.toThrow('Redis reads its data');
		} finally {
			await starting;
		}
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled(held);
	});

	it('is entered with a password, which is never told', async () => {
		const { server: local, url } = await server({ requirepass: 'open sesame' });
		const right = open(url.replace('//', '//:open%20sesame@'));
		await works(right);
		const wrong = open(url.replace('//', '//:close%20sesame@'));
		await expect(wrong.publish([toMessage()])).rejects.toThrow(/WRONGPASS|NOAUTH/);
		await until(() => said('warn', 'WRONGPASS') + said('warn', 'NOAUTH') > 0);
		await until(() => wrong.waitsFor === 'the broker refuses the login');
		expect(log.lines.join('\n')).not.toContain('sesame');
		expect(await local.pid()).toBeGreaterThan(0);
	});

	it('is given up when it hangs, and found again', async () => {
		const { url } = await server();
		const proxy = await HangingProxy.open(Number(new URL(url).port));
		cleanUp.push(() => proxy.close());
		const carrier = open(proxy.url);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await carrier.trusted;
		proxy.hang();
		const began = performance.now();
		const lost = toMessage();
		await expect(carrier.publish([lost])).rejects.toThrow(/did not answer/);
		expect(performance.now() - began).toBeLessThan(PATIENCE);
		proxy.pass();
		const message = toMessage();
		await until(async () => (await carrier.publish([lost, message])).length === 0);
		await collector.hasHandled([lost, message]);
	});

	it('does not keep the carrier from closing, be it away or hanging', async () => {
		const { server: local, url } = await server();
		const proxy = await HangingProxy.open(Number(new URL(url).port));
		cleanUp.push(() => proxy.close());
		const carriers = [open(url), open(proxy.url)];
		for (const carrier of carriers) carrier.subscribe('first', new Collector().handle, { concurrency: 2 });
		await Promise.all(carriers.map(({ trusted }) => trusted));
		proxy.hang();
		await local.kill();
		const began = performance.now();
		await Promise.all(carriers.map((carrier) => carrier.close()));
		expect(performance.now() - began).toBeLessThan(9 * SECOND); // a stop may take so long
	});

	it('is given long lists in calls that it can bear, in their order', async () => {
		const { url, ask } = await server();
		const carrier = open(url);
		const large = toMessages(40, { type: 'Beta', body: JSON.stringify('x'.repeat(250_000)) });
		const many = toMessages(1_201, { type: 'Beta' });
		const unknown = toMessage({ type: 'Omega' });
		const failures = await carrier.publish([...large.slice(0, 20), unknown, ...many, ...large.slice(20)]);
		expect(failures.map(({ id }) => id)).toEqual([unknown.id]);
		const stored = await ask((client) => client.xrange('{protected-payment}:messages:first', '-', '+'));
		const published = [...large.slice(0, 20), ...many, ...large.slice(20)];
		expect(stored.map(([, fields]) => decode(fields[1] ?? '').id)).toEqual(published.map(({ id }) => id));
	});

	it('is missed once a minute by the carrier, not by each of its connections', async () => {
		const { server: local, url } = await server();
		const carrier = open(url);
		const subscription = carrier.subscribe('first', new Collector().handle, { concurrency: 3 });
		await carrier.trusted;
		await local.kill();
		await until(() => said('warn', '') > 0);
		await until(() => subscription.sinceLastBeat > 8 * SECOND); // by now each of them would have something to say
		expect(log.lines.filter((line) => line.startsWith('warn'))).toEqual([
			expect.stringMatching(/^warn Redis has failed/),
		]);
	});

	it('gets nothing from a carrier that is closed', async () => {
		const { url, ask } = await server();
		const carrier = open(url);
		await carrier.trusted;
		await carrier.close();
		await expect(carrier.publish(toMessages(3))).rejects.toThrow('closed');
		expect(await ask((client) => client.dbsize())).toBe(0);
	});
});

/** Stands between a client and a server, and can leave both without an answer, as a cut cable would. */
class HangingProxy {
	readonly url: string;
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	#hangs = false;

	static async open(target: number): Promise<HangingProxy> {
		const port = await freePort();
		const server = createServer();
		const proxy = new HangingProxy(`redis://127.0.0.1:${port}`, server);
		server.on('connection', (near) => proxy.#join(near, createConnection(target, '127.0.0.1')));
		server.listen(port, '127.0.0.1');
		await until(() => server.listening);
		return proxy;
	}

	private constructor(url: string, server: Server) {
		this.url = url;
		this.#server = server;
	}

	/** From now on nothing goes through, though every connection stays open. */
	hang(): void {
		this.#hangs = true;
	}

	/** New connections get through again; the old ones stay as they are. */
	pass(): void {
		this.#hangs = false;
	}

	close(): void {
		this.#server.close();
		for (const socket of this.#sockets) socket.destroy();
	}

	#join(near: Socket, far: Socket): void {
		let dead = this.#hangs;
		for (const [from, to] of [
			[near, far],
			[far, near],
		] as const) {
			this.#sockets.add(from);
			from.on('error', () => {});
			from.on('close', () => {
				if (!dead) to.destroy();
			});
			from.on('data', (data) => {
				dead ||= this.#hangs;
				if (!dead) to.write(data);
			});
		}
	}
}
