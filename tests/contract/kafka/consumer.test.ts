import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import type { Consumer, ConsumerRunConfig, EachBatchPayload, Kafka } from 'kafkajs';
import { kafka } from '../../../bin/brokers/kafka.ts';
import { SECOND } from '../../../domain/time.ts';
import type { BatchHandler, SubscribeOptions } from '../../../mixins/brokers/carrier.ts';
import { createClient, parseKafkaUrl } from '../../../mixins/brokers/kafka/client.ts';
import { GroupConsumer } from '../../../mixins/brokers/kafka/consumer.ts';
import { TopicKeeper } from '../../../mixins/brokers/kafka/topic-keeper.ts';
import { Refusals } from '../../../mixins/brokers/refusals.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { describeBroker } from '../../support/brokers.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { Bench, Collector, toMessages } from '../carrier-bench.ts';
import { kafkaHarness } from './harness.ts';

jest.setTimeout(5 * PATIENCE);

const harness = kafkaHarness();

await describeBroker(kafka, 'a consumer of Kafka whose partition is not where it was', () => {
	let bench: Bench;
	const key = newId(Date.now());
	const consumers: GroupConsumer[] = [];
	const keepers: TopicKeeper[] = [];

	beforeAll(() => harness.start());
	afterAll(() => harness.stop());
	beforeEach(async () => {
		bench = await Bench.open(harness);
	});
	afterEach(async () => {
		for (const consumer of consumers.splice(0)) await consumer.close();
		for (const keeper of keepers.splice(0)) await keeper.close();
		await bench.close();
	});

	const client = (): Kafka => createClient(parseKafkaUrl(JSON.parse(bench.space.address).url), bench.log);

	/** A member of the first group; `met` gets its kafkajs consumers, `seen` all that kafkajs gives it. */
	function consume(
		handle: BatchHandler,
		options: SubscribeOptions = {},
		seen: (payload: EachBatchPayload) => EachBatchPayload = (payload) => payload,
	) {
		const { topics } = harness.current();
		const keeper = new TopicKeeper(client, topics, { partitions: 1 }, bench.log);
		keepers.push(keeper);
		const met: Consumer[] = [];
		let give: ConsumerRunConfig['eachBatch'];
		const between = (): Kafka => {
			const kafkajs = client();
			const consumer = kafkajs.consumer.bind(kafkajs);
			kafkajs.consumer = (config) => {
				const made = consumer(config);
				const run = made.run.bind(made);
				made.run = (settings) => {
					give = settings?.eachBatch;
					return run({ ...settings, eachBatch: async (payload) => give?.(seen(payload)) });
				};
				met.push(made);
				return made;
			};
			return kafkajs;
		};
		const clock = { isRead: true, now: () => Date.now() };
		const refusals = new Refusals(bench.log);
		const around = { client: between, topics, keeper, clock, log: bench.log, refusals, send: async () => {} };
		consumers.push(new GroupConsumer('first', handle, options, around));
		return { met, give: (payload: EachBatchPayload) => give?.(payload) };
	}

	const from = (payload: EachBatchPayload, count: number): EachBatchPayload => ({
		...payload,
		batch: Object.assign(Object.create(payload.batch), { messages: payload.batch.messages.slice(count) }),
	});

	it('loses nothing when kafkajs leaves records out', async () => {
		const messages = toMessages(10, { key });
		await bench.publish(bench.open(), messages);
		const collector = new Collector();
		let isFirst = true;
		consume(collector.handle, {}, (payload) => {
			const given = isFirst ? from(payload, 5) : payload;
			isFirst = false;
			return given;
		});
		await collector.hasHandled(messages);
		await bench.drained('first');
	});

	it('loses nothing of what it holds when kafkajs gives again what it gave before', async () => {
		const messages = toMessages(10, { key });
		await bench.publish(bench.open(), messages);
		const gate = bench.gate();
		const collector = new Collector(async () => {
			await gate.passed;
			return [];
		});
		const payloads: EachBatchPayload[] = [];
		const { give } = consume(collector.handle, { batch: 2 }, (payload) => {
			payloads.push(payload);
			return payload;
		});
		await until(() => collector.received.length === 2, 'the first two are in hand');
		const [payload] = payloads;
		if (payload === undefined) throw new Error('nothing was given');
		await give(from(payload, 5));
		gate.open();
		await collector.hasHandled(messages);
		await bench.drained('first');
	});

	it('goes on behind records that Kafka does not have any more', async () => {
		const publisher = bench.open();
		const [gone, left] = [toMessages(7, { key }), toMessages(3, { key })];
		await bench.publish(publisher, gone);
		const topic = harness.current().topics.direct('first');
		const admin = client().admin();
		await admin.connect();
		const full = (await admin.fetchTopicOffsets(topic)).filter(({ high }) => high !== '0');
		const partitions = full.map(({ partition, high }) => ({ partition, offset: high }));
		await admin.deleteTopicRecords({ topic, partitions });
		await admin.disconnect();
		await bench.publish(publisher, left);
		const collector = new Collector();
		consume(collector.handle);
		await collector.hasHandled(left);
		expect(gone.filter(({ id }) => collector.handled.has(id))).toEqual([]);
		await bench.drained('first');
	});

	it('is replaced when the partition stands still though it has more', async () => {
		const publisher = bench.open();
		const [before, after] = [toMessages(3, { key }), toMessages(3, { key })];
		await bench.publish(publisher, before);
		const collector = new Collector();
		const { met } = consume(collector.handle);
		await collector.hasHandled(before);
		const topic = harness.current().topics.direct('first');
		met[0]?.pause([{ topic }]);
		const paused = Date.now();
		await bench.publish(publisher, after);
		await collector.hasHandled(after);
		expect(Date.now() - paused).toBeGreaterThan(30 * SECOND);
		expect(met).toHaveLength(2);
		expect(bench.log.lines.filter((line) => line.startsWith('warn'))).toEqual([
			expect.stringMatching(/^warn consumer first is replaced: \S+ stands still at 3, and there is more$/),
		]);
		await bench.drained('first');
	});
});
