import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { kafka } from '../../../bin/brokers/kafka.ts';
import { SECOND } from '../../../domain/time.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { describeBroker } from '../../support/brokers.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { Bench, Collector, toMessages } from '../carrier-bench.ts';
import { kafkaHarness } from './harness.ts';

jest.setTimeout(5 * PATIENCE);

let proxy: TcpProxy | undefined;
const between = (): TcpProxy => {
	if (proxy === undefined) throw new Error('the proxy was not started');
	return proxy;
};
/** Kafka tells its clients to come through the proxy. */
const harness = kafkaHarness(async (port) => {
	proxy = await TcpProxy.open(port);
	return { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
});

await describeBroker(kafka, 'the Kafka carrier on a bad network', () => {
	let bench: Bench;

	beforeAll(() => harness.start());
	afterAll(async () => {
		await harness.stop();
		await proxy?.close();
	});
	beforeEach(async () => {
		bench = await Bench.open(harness);
	});
	afterEach(async () => {
		between().answer();
		between().thaw();
		await bench.close();
	});

	it('loses nothing that was published after an answer was lost', async () => {
		const carrier = bench.open();
		const key = newId(Date.now());
		await carrier.publish(toMessages(10, { key }));
		for (let round = 0; round < 3; round += 1) {
			const before = between().lost;
			between().loseAnswers();
			// Kafka takes them and cannot say so.
			await expect(carrier.publish(toMessages(10, { key }))).rejects.toThrow();
			expect(between().lost).toBeGreaterThan(before);
			between().answer();

			// As many, to the same partition: a producer that counts on from where it was would lose them.
			const messages = toMessages(10, { key });
			await bench.publish(carrier, messages);
			const collector = new Collector();
			const subscription = bench.open().subscribe('first', collector.handle);
			await collector.hasHandled(messages);
			await subscription.close();
		}
	});

	it('comes back when its connections died without a word', async () => {
		const carrier = bench.open();
		const collector = new Collector();
		const subscription = carrier.subscribe('first', collector.handle);
		const before = toMessages(10);
		await carrier.publish(before);
		await collector.hasHandled(before);
		const waiting = await bench.delayed(3 * SECOND);
		await carrier.publish([waiting]);
		between().freeze();
		await expect(carrier.publish(toMessages(1))).rejects.toThrow();
		await until(() => subscription.sinceLastBeat > 2 * SECOND);
		between().thaw();

		const after = toMessages(10);
		await bench.publish(carrier, after);
		await collector.hasHandled([waiting, ...after]);
		await until(() => subscription.sinceLastBeat < 2 * SECOND);
	});
});
