import { Buffer } from 'node:buffer';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Channel, connect } from 'amqplib';
import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { HOUR, SECOND } from '../../../domain/time.ts';
import { LONGEST_BODY } from '../../../mixins/brokers/carrier.ts';
import { RabbitMqCarrier } from '../../../mixins/brokers/rabbitmq/carrier.ts';
import { Names } from '../../../mixins/brokers/rabbitmq/topology.ts';
import { describeBroker } from '../../support/brokers.ts';
import { machineClock } from '../../support/clock.ts';
import { memoryLog } from '../../support/database.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { eventually, PATIENCE, until } from '../../support/until.ts';
import { Bench, Collector, idsOf, TOPOLOGY, toMessage, toMessages } from '../carrier-bench.ts';
import { PREFIX, rabbitMqHarness } from './harness.ts';

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

	/** Takes the one message of a group so many times, and ends each time without an answer. */
	async function kill(times: number): Promise<void> {
		const connection = await connect(bench.space.address);
		for (let deaths = 0; deaths < times; deaths += 1) {
			const channel = await connection.createChannel();
			await until(() => channel.get(NAMES.group('first')));
			await channel.close();
		}
		await connection.close();
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
		const carrier = new RabbitMqCarrier(bench.space.address, TOPOLOGY, bench.log, {
			prefix: PREFIX,
			clock: machineClock,
		});
		await expect(carrier.publish([toMessage()])).rejects.toThrow(/PRECONDITION_FAILED.*group\.first/);
		expect(carrier.waitsFor).toBe('a queue or exchange of this name is there, and of another kind');
		await until(() => bench.log.lines.some((line) => line.startsWith('warn') && line.includes('PRECONDITION_FAILED')));
		await meanwhile((channel) => channel.deleteQueue(NAMES.group('first')));
		await bench.publish(carrier, [toMessage()]);
		await until(() => carrier.waitsFor === undefined);
		await carrier.close();
	});

	it('gives what is none of our messages to the handler as unreadable, with the reason and an id that stays', async () => {
		const throws = new Collector(async (deliveries) => {
			if (deliveries.some(({ unreadable }) => unreadable !== undefined)) throw new Error('nothing can be stored');
			return [];
		});
		const carrier = bench.open();
		const first = carrier.subscribe('first', throws.handle);
		const good = toMessages(3);
		await carrier.publish(good.slice(0, 1));
		await throws.hasHandled(good.slice(0, 1));
		await meanwhile(async (channel) => {
			const content = Buffer.from('hello?');
			channel.publish('', NAMES.group('first'), content);
			channel.publish(NAMES.events, 'Alpha', content, { type: 'Alpha', messageId: 'x', headers: { key: 'a' } });
			const { id, key } = toMessage();
			channel.publish('', NAMES.group('first'), content, { type: 'Gamma', messageId: id, headers: { key } });
			const binary = Buffer.from([0xc3, 0x28]);
			channel.publish('', NAMES.group('first'), binary, { type: 'Alpha', messageId: toMessage().id, headers: { key } });
			channel.publish('', NAMES.group('first'), Buffer.alloc(2 * LONGEST_BODY, 'x'));
		});
		const strange = ({ received }: Collector) => received.filter(({ unreadable }) => unreadable !== undefined);
		const all = (collector: Collector) => () => new Set(idsOf(strange(collector))).size === 5;
		await until(all(throws), 'all are seen'); // and, not being handled, not lost
		await first.close();

		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await carrier.publish(good.slice(1));
		await collector.hasHandled(good.slice(1));
		await until(all(collector));
		const seen = strange(collector);
		expect(seen.map(({ unreadable }) => unreadable)).toEqual(
			seen.map(() => expect.stringMatching(/^not understood: /)),
		);
		expect(seen.filter(({ body }) => body === 'hello?')).toHaveLength(3);
		expect(Math.max(...seen.map(({ body }) => body.length))).toBe(LONGEST_BODY);
		expect(new Set(idsOf(seen))).toEqual(new Set(idsOf(strange(throws))));
		await bench.drained('first');
	});

	it('gives a message to its group as unreadable that has killed its consumers again and again', async () => {
		const carrier = bench.open();
		const poison = await bench.delayed(1, { type: 'Beta' });
		await carrier.publish([poison]);
		await kill(101);
		await until(async () => (await meanwhile((channel) => channel.checkQueue(NAMES.dead))).messageCount === 1);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled([poison]);
		const { id, type, key, body, deliverAt } = poison;
		const unreadable = 'RabbitMQ gave it up: delivery_limit';
		expect(collector.first(id)).toMatchObject({ id, type, key, body, deliverAt, unreadable });
		await bench.drained('first');
		expect(collector.count(id)).toBe(1);
		expect((await meanwhile((channel) => channel.checkQueue(NAMES.dead))).messageCount).toBe(0);
	});

	it('gives it to its group as unreadable one delivery before the broker would take it away', async () => {
		const carrier = bench.open();
		const poison = await bench.delayed(1, { type: 'Beta' });
		await carrier.publish([poison]);
		await kill(99);
		const failing = new Collector(async (deliveries) => deliveries.map(({ id }) => ({ id, error: 'not stored' })));
		const subscription = carrier.subscribe('first', failing.handle);
		await until(() => failing.count(poison.id) >= 2, 'it comes again as long as it is not stored');
		await subscription.close();
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled([poison]);
		const { id, type, key, body, deliverAt } = poison;
		const unreadable = '99 deliveries ended without an answer';
		for (const delivery of [failing.first(id), failing.received.at(-1), collector.first(id)])
			expect(delivery).toMatchObject({ id, type, key, body, deliverAt, unreadable });
	});

	it('gives the dead letters that the release before kept on the broker to their groups', async () => {
		const carrier = bench.open();
		carrier.subscribe('second', new Collector().handle);
		await eventually(() => meanwhile((channel) => channel.checkQueue(NAMES.dead)));
		const letters = toMessages(250);
		await meanwhile(async (channel) => {
			for (const { id: messageId, type, key, body } of letters) {
				const headers = { key, consumer: 'first', error: 'gone', failures: 8, 'failed-at': 1_000_000 };
				channel.publish(NAMES.dead, '', Buffer.from(body), { messageId, type, headers, persistent: true });
			}
			channel.publish(NAMES.dead, '', Buffer.alloc(0), { type: 'end of the dead letters', messageId: 'x' });
			channel.publish(NAMES.dead, '', Buffer.from('who?'), { headers: { consumer: 'third', error: 'away' } });
		});
		const collector = new Collector();
		bench.open().subscribe('first', collector.handle);
		await collector.hasHandled(letters);
		await until(() => collector.received.length === 251, 'what is for no group of ours goes to the first one');
		const others = collector.received.filter(({ body }) => body === 'who?');
		expect(others).toMatchObject([{ unreadable: 'away', type: '', key: '' }]);
		for (const { id, type, key } of letters)
			expect(collector.first(id)).toMatchObject({ type, key, unreadable: 'gone' });
		await until(async () => (await meanwhile((channel) => channel.checkQueue(NAMES.dead))).messageCount === 0);
	});

	it('does not let a message that nobody takes any more block the delay of the others', async () => {
		const wider = { consumers: { ...TOPOLOGY.consumers, third: ['Omega'] }, types: [...TOPOLOGY.types, 'Omega'] };
		const former = new RabbitMqCarrier(bench.space.address, wider, bench.log, { prefix: PREFIX, clock: machineClock });
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
		await collector.hasHandled(orphans);
		for (const { id } of orphans) {
			expect(collector.first(id)).toMatchObject({ type: 'Omega', unreadable: 'no group takes its type' });
		}
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
		const carrier = new RabbitMqCarrier(address.href, TOPOLOGY, memoryLog(), { prefix: PREFIX, clock: machineClock });
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
});
