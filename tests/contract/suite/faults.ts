import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { HOUR, SECOND } from '../../../domain/time.ts';
import type { CarrierMessage } from '../../../mixins/brokers/carrier.ts';
import { until } from '../../support/until.ts';
import { Collector, type Part, toMessage, toMessages } from '../carrier-bench.ts';

export function faultSuite({ harness, bench }: Part): void {
	it.each(['kill', 'restart'] as const)('lose nothing that is under way or delayed: %s', async (fault) => {
		const publisher = bench().open();
		const failedOnce = new Set<string>();
		const collector = new Collector(async (deliveries) => {
			await pause(5);
			const bad = deliveries.filter(({ id, body }) => body === 'bad' && !failedOnce.has(id));
			for (const { id } of bad) failedOnce.add(id);
			return bad.map(({ id }) => ({ id, error: 'once' }));
		});
		bench().open().subscribe('first', collector.handle, { batch: 15, concurrency: 2 });
		bench().open().subscribe('second', collector.handle, { batch: 15 });

		const far = await bench().delayed(HOUR);
		await bench().publish(publisher, [far]);
		const confirmed: CarrierMessage[] = [];
		let broken: Promise<void> | undefined;
		for (let batch = 0; batch < 60; batch += 1) {
			const delay = batch % 3 === 0 ? (0.5 + (batch % 7) / 2) * SECOND : 0;
			const deliverAt = delay === 0 ? null : (await harness.clock().catch(() => Date.now())) + delay;
			const messages = toMessages(20, { delay, deliverAt, type: batch % 2 === 0 ? 'Beta' : 'Gamma' });
			messages.push(toMessage({ body: 'bad', type: 'Beta' }));
			await bench().publish(publisher, messages);
			confirmed.push(...messages);
			if (batch === 20) broken = harness[fault]();
		}
		await broken;
		await collector.hasHandled(confirmed);
		for (const { id, deliverAt } of confirmed) {
			if (deliverAt !== null) expect(collector.first(id).at).toBeGreaterThanOrEqual(deliverAt - harness.early);
		}
		expect((await bench().space.plan('first')).has(far.id)).toBe(true);
		expect(collector.count(far.id)).toBe(0);
	});

	it('are waited for: absent at the start, and away for a while', async () => {
		await harness.takeDown();
		try {
			const carrier = bench().open();
			const collector = new Collector();
			const subscription = carrier.subscribe('first', collector.handle);
			for (let round = 0; round < 2; round += 1) {
				if (round > 0) await harness.takeDown();
				await expect(carrier.publish([toMessage()])).rejects.toThrow();
				await until(() => subscription.sinceLastBeat > SECOND);
				await harness.bringUp();
				const messages = [...toMessages(10), await bench().delayed(SECOND)];
				await bench().publish(carrier, messages);
				await collector.hasHandled(messages);
				await until(() => subscription.sinceLastBeat < 5 * SECOND);
			}
		} finally {
			await harness.bringUp().catch(() => {}); // where the test ended in the middle
		}
	});

	it('do not lose retries and their counts', async () => {
		const retried = toMessage();
		const collector = new Collector(async (deliveries) =>
			deliveries
				.filter(({ id, attempt }) => id === retried.id && attempt === 1)
				.map(({ id }) => ({ id, error: 'bad luck' })),
		);
		const carrier = bench().open();
		const subscription = carrier.subscribe('first', collector.handle);
		await carrier.publish([retried]);
		await until(() => collector.count(retried.id) === 1);
		await subscription.close();
		await harness.kill();
		bench().open().subscribe('first', collector.handle);
		await collector.hasHandled([retried]);
		expect(collector.received.filter(({ id }) => id === retried.id).map(({ attempt }) => attempt)).toEqual([1, 2]);
	});
}
