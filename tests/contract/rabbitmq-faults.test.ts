import { Buffer } from 'node:buffer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Channel, connect } from 'amqplib';
import { rabbitmq } from '../../bin/brokers/rabbitmq.ts';
import { HOUR, SECOND } from '../../domain/time.ts';
import { RabbitMqCarrier } from '../../mixins/brokers/rabbitmq/carrier.ts';
import { Names } from '../../mixins/brokers/rabbitmq/topology.ts';
import { describeBroker } from '../support/brokers.ts';
import { memoryLog } from '../support/database.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { eventually, PATIENCE, until } from '../support/until.ts';
import { Bench, Collector, idsOf, TOPOLOGY, toMessage, toMessages } from './carrier-bench.ts';
import { PREFIX, rabbitMqHarness } from './rabbitmq-harness.ts';

const NAMES = new Names(PREFIX);

jest.setTimeout(3 * PATIENCE);

await describeBroker(rabbitmq, 'what can happen to RabbitMQ', () => {
	const harness = rabbitMqHarness();
	let bench: Bench;

	beforeAll(() => harness.start());
	afterAll(() => harness.stop());
	beforeEach(async () => {
		bench = await Bench.open(harness);
	});
	afterEach(() => bench.close());

	/** Anything that an operator or another program may do on the broker. */
	async function meanwhile<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
		const connection = await connect(bench.space.address);
		try {
			const channel = await connection.createChannel();
			const result = await work(channel);
			await channel.close();
			return result;
		} finally {
			await connection.close();
		}
	}

	describe('what is missing is declared again', () => {
		it('after a queue was deleted under its consumers', async () => {
			const collector = new Collector();
			const carrier = bench.open();
			carrier.subscribe('first', collector.handle, { concurrency: 2 });
			const before = toMessages(3);
			await carrier.publish(before);
			await collector.hasHandled(before);
			await meanwhile((channel) => channel.deleteQueue(NAMES.group('first')));
			const after = toMessages(20, { type: 'Beta' });
			expect(await carrier.publish(after)).toEqual([]); // nobody else takes a Beta
			await collector.hasHandled(after);
		});

		it('after queues were deleted that nobody looked at', async () => {
			const carrier = bench.open();
			await carrier.publish([toMessage()]);
			await meanwhile(async (channel) => {
				await channel.deleteQueue(NAMES.group('first'));
				await channel.deleteQueue(NAMES.delayQueue(SECOND));
			});
			const messages = [toMessage({ type: 'Beta' }), await bench.delayed(1.2 * SECOND, { type: 'Beta' })];
			expect(await carrier.publish(messages)).toEqual([]);
			const collector = new Collector();
			bench.open().subscribe('first', collector.handle);
			await collector.hasHandled(messages);
		});

		it('after an exchange was deleted', async () => {
			const carrier = bench.open();
			await carrier.publish([toMessage()]);
			await meanwhile((channel) => channel.deleteExchange(NAMES.events));
			const messages = toMessages(3, { type: 'Beta' });
			await bench.publish(carrier, messages);
			const collector = new Collector();
			carrier.subscribe('first', collector.handle);
			await collector.hasHandled(messages);
		});

		it('after the whole virtual host was deleted and made anew', async () => {
			const collector = new Collector();
			const carrier = bench.open();
			carrier.subscribe('first', collector.handle);
			const before = toMessages(3);
			await carrier.publish(before);
			await collector.hasHandled(before);
			await harness.empty();
			const after = [...toMessages(5), await bench.delayed(1.2 * SECOND)];
			await bench.publish(carrier, after);
			await collector.hasHandled(after);
		});
	});

	it('says what is wrong where a queue of that name is of another kind', async () => {
		await meanwhile((channel) => channel.assertQueue(NAMES.group('first'), { durable: true }));
		const carrier = new RabbitMqCarrier(bench.space.address, TOPOLOGY, bench.log, { prefix: PREFIX });
		await expect(carrier.publish([toMessage()])).rejects.toThrow(/PRECONDITION_FAILED.*group\.first/);
		expect(carrier.waitsFor).toBe('a queue or exchange of this name is there, and of another kind');
		await until(() => bench.log.lines.some((line) => line.startsWith('warn') && line.includes('PRECONDITION_FAILED')));
		await meanwhile((channel) => channel.deleteQueue(NAMES.group('first')));
		await bench.publish(carrier, [toMessage()]);
		await until(() => carrier.waitsFor === undefined);
		await carrier.close();
	});

	it('sets aside what is none of our messages, with the reason, and goes on', async () => {
		const collector = new Collector();
		const carrier = bench.open();
		carrier.subscribe('first', collector.handle);
		const good = toMessages(3);
		await carrier.publish(good.slice(0, 1));
		await meanwhile(async (channel) => {
			const content = Buffer.from('hello?');
			channel.publish('', NAMES.group('first'), content);
			channel.publish(NAMES.events, 'Alpha', content, { type: 'Alpha', messageId: 'x', headers: { key: 'a' } });
			const { id, key } = toMessage();
			channel.publish('', NAMES.group('first'), content, { type: 'Gamma', messageId: id, headers: { key } });
			const binary = Buffer.from([0xc3, 0x28]);
			channel.publish('', NAMES.group('first'), binary, { type: 'Alpha', messageId: id, headers: { key } });
		});
		await carrier.publish(good.slice(1));
		await collector.hasHandled(good);
		await until(async () => (await carrier.deadLetters(10)).length === 4);
		const letters = await carrier.deadLetters(10);
		expect(letters.map(({ error }) => error)).toEqual(letters.map(() => expect.stringMatching(/^not understood: /)));
		expect(letters.map(({ body }) => body).filter((body) => body === 'hello?')).toHaveLength(3);
		expect(letters.every(({ consumer, attempts }) => consumer === 'first' && attempts === 0)).toBe(true);
		expect(new Set(idsOf(letters)).size).toBeGreaterThanOrEqual(3);
		expect(bench.setAside.map(({ group }) => group)).toEqual(['first', 'first', 'first', 'first']);

		// Whoever delivers them again gets them back, and no endless round begins.
		expect(await carrier.replayDeadLetters()).toBe(4);
		await until(async () => (await carrier.deadLetters(10)).length === 4);
		expect(idsOf(await carrier.deadLetters(10)).sort()).toEqual(idsOf(letters).sort());
		expect(collector.received).toHaveLength(good.length);
	});

	it('takes a message away that has killed its consumers again and again', async () => {
		const carrier = bench.open();
		const poison = toMessage({ type: 'Beta' });
		await carrier.publish([poison]);
		const connection = await connect(bench.space.address);
		for (let deaths = 0; deaths <= 100; deaths += 1) {
			const channel = await connection.createChannel();
			await until(() => channel.get(NAMES.group('first')));
			await channel.close();
		}
		await connection.close();
		await until(async () => (await carrier.deadLetters(10)).length === 1);
		const [letter] = await carrier.deadLetters(10);
		expect(letter).toMatchObject({ id: poison.id, consumer: 'first', body: poison.body, key: poison.key });
		expect(letter?.error).toMatch(/gave it up: delivery_limit/);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		expect(await carrier.replayDeadLetters([poison.id])).toBe(1);
		await collector.hasHandled([poison]);
	});

	it('sets aside what is about to be taken away for its deliveries, so that it is counted', async () => {
		const carrier = bench.open();
		const poison = await bench.delayed(1, { type: 'Beta' });
		await carrier.publish([poison]);
		const connection = await connect(bench.space.address);
		for (let deaths = 0; deaths < 99; deaths += 1) {
			const channel = await connection.createChannel();
			await until(() => channel.get(NAMES.group('first')));
			await channel.close();
		}
		await connection.close();
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		const reason = '99 deliveries ended without an answer';
		await until(() => bench.setAside.length > 0, 'it is set aside');
		expect(bench.setAside).toEqual([{ group: 'first', reason }]);
		const [letter] = await carrier.deadLetters(10);
		expect(letter).toMatchObject({
			id: poison.id,
			consumer: 'first',
			body: poison.body,
			key: poison.key,
			error: reason,
		});
		expect(collector.received).toEqual([]);
		expect(await carrier.replayDeadLetters([poison.id])).toBe(1);
		await collector.hasHandled([poison]);
		expect(collector.first(poison.id)).toMatchObject({ deliverAt: poison.deliverAt, attempt: 1 });
	});

	it('does not let a message that nobody takes any more block the delay of the others', async () => {
		const wider = { consumers: { ...TOPOLOGY.consumers, third: ['Omega'] }, types: [...TOPOLOGY.types, 'Omega'] };
		const former = new RabbitMqCarrier(bench.space.address, wider, bench.log, { prefix: PREFIX });
		await bench.publish(former, [toMessage()]);
		await meanwhile((channel) => channel.deleteQueue(NAMES.group('third')));
		const orphans = await Promise.all(Array.from({ length: 40 }, () => bench.delayed(2 * SECOND, { type: 'Omega' })));
		await bench.publish(former, orphans);
		await former.close();
		const collector = new Collector();
		const carrier = bench.open();
		carrier.subscribe('first', collector.handle);
		const messages = [await bench.delayed(2 * SECOND)];
		await bench.publish(carrier, messages);
		await collector.hasHandled(messages);
		await until(async () => (await carrier.deadLetters(100)).length === orphans.length);
		const letters = await carrier.deadLetters(100);
		expect(idsOf(letters).sort()).toEqual(idsOf(orphans).sort());
		expect(letters[0]).toMatchObject({ consumer: '', type: 'Omega', error: 'no consumer takes it' });
		expect(await carrier.replayDeadLetters(idsOf(orphans).slice(0, 1))).toBe(0);
		expect(await carrier.deadLetters(100)).toHaveLength(orphans.length);
	});

	it('refuses what has a delay and nobody to go to, or too long a delay', async () => {
		const [nobody, far] = [await bench.delayed(SECOND, { type: 'Delta' }), await bench.delayed(365 * 24 * HOUR)];
		const failures = await bench.open().publish([nobody, far]);
		expect(failures).toEqual([
			{ id: nobody.id, error: expect.stringMatching(/Delta/) },
			{ id: far.id, error: expect.stringMatching(/too far/) },
		]);
	});

	it('acknowledges nothing but what was handled, whatever it holds beside', async () => {
		const carrier = bench.open();
		const [received, later] = [new Set<string>(), new Set<string>()];
		// A consumer that is closed while it waits for the moment of some gives back those, and nothing else.
		for (let given = 0; given === 0; ) {
			const now = toMessages(200, { type: 'Beta' });
			const soon = await Promise.all(now.map(() => bench.delayed(950, { type: 'Beta' })));
			const collector = new Collector();
			const subscription = carrier.subscribe('first', collector.handle);
			await carrier.publish(soon.flatMap((message, index) => [message, now[index] ?? message]));
			await collector.hasHandled(now);
			await subscription.close();
			for (const { id } of soon) later.add(id);
			for (const id of idsOf(collector.received)) received.add(id);
			given = soon.filter(({ id }) => !received.has(id)).length;
			expect(await bench.space.backlog('first')).toBe([...later].filter((id) => !received.has(id)).length);
		}
		const next = new Collector();
		bench.open().subscribe('first', next.handle);
		await bench.drained('first');
		const missing = [...later].filter((id) => !received.has(id));
		expect(idsOf(next.received).sort()).toEqual(missing.sort());
	});

	it('notices a line that went dead without a word, and finds another', async () => {
		const proxy = await TcpProxy.open(Number(new URL(harness.server().url).port));
		const address = new URL(bench.space.address);
		address.port = String(proxy.port);
		const carrier = new RabbitMqCarrier(address.href, TOPOLOGY, memoryLog(), { prefix: PREFIX });
		try {
			const collector = new Collector();
			const subscription = carrier.subscribe('first', collector.handle);
			const before = toMessages(3);
			await carrier.publish(before);
			await collector.hasHandled(before);
			proxy.freeze();
			await expect(carrier.publish([toMessage()])).rejects.toThrow();
			expect(subscription.sinceLastBeat).toBeGreaterThan(SECOND);
			proxy.thaw();
			const after = toMessages(3);
			await bench.publish(carrier, after);
			await collector.hasHandled(after);
			await until(() => subscription.sinceLastBeat < 5 * SECOND);
		} finally {
			await carrier.close();
			await proxy.close();
		}
	});

	it('shows the dead letters to several who look at the same time', async () => {
		const carrier = bench.open();
		carrier.subscribe('first', async (deliveries) => deliveries.map(({ id }) => ({ id, error: 'no' })));
		await eventually(() => meanwhile((channel) => channel.checkQueue(NAMES.dead)));
		const content = Buffer.from('dead');
		await meanwhile(async (channel) => {
			for (let index = 0; index < 300; index += 1) {
				const { id: messageId, key } = toMessage();
				const headers = { key, consumer: 'second', error: 'gone', failures: 8, 'failed-at': 1_000_000 + index };
				channel.publish(NAMES.dead, '', content, { messageId, type: 'Alpha', headers, persistent: true });
			}
		});
		await until(async () => (await carrier.deadLetters(1_000)).length === 300);
		const lists = await Promise.all([carrier, bench.open(), bench.open()].map((each) => each.deadLetters(5)));
		for (const list of lists) {
			expect(list.map(({ failedAt }) => failedAt)).toEqual([1_000_299, 1_000_298, 1_000_297, 1_000_296, 1_000_295]);
		}
		const counts = await Promise.all([carrier, bench.open()].map((each) => each.replayDeadLetters()));
		expect(counts.reduce((total, count) => total + count, 0)).toBe(300);
		const collector = new Collector();
		carrier.subscribe('second', collector.handle);
		await bench.drained('second');
		expect(new Set(idsOf(collector.received)).size).toBe(300);
		expect(collector.received).toHaveLength(300);
	});
});
