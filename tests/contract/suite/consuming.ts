import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { HOUR } from '../../../domain/time.ts';
import { until } from '../../support/until.ts';
import { Collector, idsOf, type Part, toMessages } from '../carrier-bench.ts';

export function consumingSuite({ harness, bench }: Part): void {
	it('keeps to the size of a batch and to the number of batches at once', async () => {
		const collector = new Collector(async () => {
			await pause(5);
			return [];
		});
		const messages = toMessages(400);
		await bench().open().publish(messages);
		bench().open().subscribe('first', collector.handle, { batch: 7, concurrency: 3 });
		await collector.hasHandled(messages);
		const sizes = collector.batches.map((batch) => batch.length);
		expect(Math.max(...sizes)).toBeLessThanOrEqual(7);
		expect(Math.min(...sizes)).toBeGreaterThan(0);
		expect(collector.mostInHand).toBeLessThanOrEqual(3);
		expect(collector.mostInHand).toBeGreaterThan(1);
	});

	it('takes one batch at a time where nothing else was asked for', async () => {
		const collector = new Collector(async () => {
			await pause(2);
			return [];
		});
		const messages = toMessages(60);
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle, { batch: 5 });
		await Promise.all([0, 20, 40].map((from) => carrier.publish(messages.slice(from, from + 20))));
		await collector.hasHandled(messages);
		expect(collector.mostInHand).toBe(1);
	});

	it('lets a slow handler hold up only its own batch', async () => {
		const gate = bench().gate();
		const slow = new Collector(async () => {
			await gate.passed;
			return [];
		});
		const [neighbour, second] = [new Collector(), new Collector()];
		const messages = toMessages(200);
		await bench().open().publish(messages);
		bench().open().subscribe('first', slow.handle, { batch: 5 });
		await until(() => slow.batches.length === 1);
		bench().open().subscribe('first', neighbour.handle, { batch: 5 });
		bench().open().subscribe('second', second.handle);
		await until(() => neighbour.batches.length > 1, 'a neighbour gets on');
		await second.hasHandled(messages);
		expect(slow.batches).toHaveLength(1);
		const inHand = idsOf(slow.batches[0] ?? []);
		gate.open();
		await bench().drained('first');
		const twice = inHand.filter((id) => neighbour.count(id) > 0);
		if (!harness.sharesAnew) expect(twice).toEqual([]);
	});

	it('shares the work among consumers, and gives hardly anything twice', async () => {
		const collectors = [new Collector(), new Collector(), new Collector()];
		for (const collector of collectors) {
			bench().open().subscribe('first', collector.handle, { batch: 50, concurrency: 2 });
		}
		const publisher = bench().open();
		const messages = toMessages(3_000);
		for (let from = 0; from < messages.length; from += 300) {
			await publisher.publish(messages.slice(from, from + 300));
		}
		await bench().drained('first');
		const handled = new Set(collectors.flatMap((collector) => [...collector.handled]));
		expect(messages.filter(({ id }) => !handled.has(id))).toEqual([]);
		const deliveries = collectors.reduce((total, { received }) => total + received.length, 0);
		expect(deliveries).toBeLessThanOrEqual(messages.length * 1.01);
	});

	it('loses nothing and gets stuck nowhere while consumers come and go', async () => {
		const collector = new Collector(async () => {
			await pause(1);
			return [];
		});
		const publisher = bench().open();
		const messages = toMessages(3_000);
		const publishing = (async () => {
			for (let from = 0; from < messages.length; from += 100) {
				await publisher.publish(messages.slice(from, from + 100));
				await pause(30);
			}
		})();
		const last = new Collector();
		for (let round = 0; round < 6; round += 1) {
			const carrier = bench().open();
			const before = collector.batches.length;
			const one = carrier.subscribe('first', collector.handle, { batch: 20, concurrency: 2 });
			carrier.subscribe('first', collector.handle, { batch: 20 });
			await until(() => collector.batches.length > before + 2 || collector.handled.size === messages.length);
			await one.close();
			await carrier.close();
		}
		bench().open().subscribe('first', last.handle, { batch: 20 });
		await publishing;
		await bench().drained('first');
		const missing = messages.filter(({ id }) => !collector.handled.has(id) && !last.handled.has(id));
		expect(missing).toEqual([]);
	});

	it.each(['subscription', 'carrier', 'carrier, after the subscription'] as const)(
		'finishes the batch in hand when closed: %s',
		async (what) => {
			const gate = bench().gate();
			const slow = new Collector(async () => {
				await gate.passed;
				return [];
			});
			const messages = toMessages(30);
			const carrier = bench().open();
			await carrier.publish(messages);
			const subscription = carrier.subscribe('first', slow.handle, { batch: 10 });
			await until(() => slow.batches.length === 1);
			let closed = false;
			if (what === 'carrier, after the subscription') void subscription.close();
			const closing = (what === 'subscription' ? subscription : carrier).close().then(() => {
				closed = true;
			});
			await pause(100);
			expect(closed).toBe(false);
			gate.open();
			await closing;
			const [batch = []] = slow.batches;
			expect(slow.batches).toHaveLength(1);
			expect([...slow.handled].sort()).toEqual(idsOf(batch).sort());

			const next = new Collector();
			bench().open().subscribe('first', next.handle);
			await bench().drained('first');
			expect([...idsOf(next.received), ...idsOf(batch)].sort()).toEqual(idsOf(messages).sort());
		},
	);

	it('says how long ago it last looked for messages', async () => {
		const collector = new Collector();
		const carrier = bench().open();
		await carrier.publish([await bench().delayed(HOUR)]);
		const subscription = carrier.subscribe('first', collector.handle, { concurrency: 2 });
		await pause(2_500); // nothing to do
		await until(() => subscription.sinceLastBeat < 2_000);
		expect(collector.batches).toEqual([]);
		await subscription.close();
	});
}
