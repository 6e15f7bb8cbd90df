import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { DAY, HOUR, MINUTE, SECOND } from '../../../domain/time.ts';
import type { CarrierMessage } from '../../../mixins/brokers/carrier.ts';
import { until } from '../../support/until.ts';
import { Collector, type Part, toMessage } from '../carrier-bench.ts';

/** Planned moments may be this much later than asked for: a broker counts from when it got the message. */
const SLACK = 5 * SECOND;

export function delaySuite({ harness, bench }: Part): void {
	/** That none of these messages came before it was due. */
	function expectNoneEarly(collector: Collector, messages: readonly CarrierMessage[]): void {
		const early = messages.filter(
			({ id, deliverAt }) => collector.first(id).at < (deliverAt ?? Number.NaN) - harness.early,
		);
		expect(early).toEqual([]);
	}

	it('delivers after 1 s and after 3.7 s, and not before', async () => {
		const collector = new Collector();
		const publisher = bench().open();
		bench().open().subscribe('first', collector.handle);
		const long = await bench().delayed(3.7 * SECOND);
		const short = await bench().delayed(SECOND);
		await publisher.publish([long, short]);
		publisher.subscribe('first', collector.handle, { concurrency: 2 });
		let waiting = true;
		const othersComeAllTheTime = (async () => {
			for (; waiting; await pause(15)) await publisher.publish([toMessage()]);
		})();
		await collector.hasHandled([long, short]);
		waiting = false;
		await othersComeAllTheTime;
		expectNoneEarly(collector, [long, short]);
		const received = collector.received.filter(({ deliverAt }) => deliverAt !== null);
		// A member that joins may bring one twice, never as a failure.
		const once = new Map(received.map(({ id, deliverAt, attempt }) => [id, { id, deliverAt, attempt }]));
		expect([...once.values()]).toEqual([short, long].map(({ id, deliverAt }) => ({ id, deliverAt, attempt: 1 })));
	});

	it.each([
		['90 s', 90 * SECOND],
		['10 min', 10 * MINUTE],
		['2 h', 2 * HOUR],
		['7 d', 7 * DAY],
	])('plans a delay of %s to the moment', async (_, delay) => {
		const collector = new Collector();
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		const message = await bench().delayed(delay);
		const now = toMessage();
		expect(await carrier.publish([message, now])).toEqual([]);
		await collector.hasHandled([now]);
		for (const group of ['first', 'second']) {
			const at = (await bench().space.plan(group)).get(message.id) ?? Number.NaN;
			expect(at).toBeGreaterThanOrEqual((message.deliverAt ?? Number.NaN) - harness.early);
			expect(at).toBeLessThanOrEqual((message.deliverAt ?? Number.NaN) + SLACK);
		}
		expect(collector.count(message.id)).toBe(0);
	});

	it('delivers at once what is due already', async () => {
		const collector = new Collector();
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		const late = toMessage({ deliverAt: (await harness.clock()) - MINUTE, delay: 0 });
		await carrier.publish([late]);
		await collector.hasHandled([late]);
	});

	it('does not let a long delay hold up a short one', async () => {
		const collector = new Collector();
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		const long = await Promise.all([7 * DAY, HOUR, MINUTE, 30 * SECOND].map((delay) => bench().delayed(delay)));
		await carrier.publish(long);
		const short = await Promise.all([SECOND, 2 * SECOND].map((delay) => bench().delayed(delay)));
		await carrier.publish(short);
		await until(
			() => short.every(({ id }) => collector.handled.has(id)),
			'the short delays end',
			20_000, // well before the shortest of the long ones
		);
		expectNoneEarly(collector, short);
		expect(collector.received).toHaveLength(short.length);
	});

	it('delivers 10,000 that are due at one moment, each once and none early', async () => {
		const collector = new Collector();
		const other = new Collector();
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle, { concurrency: 2 });
		bench().open().subscribe('first', other.handle, { concurrency: 2 });
		const deliverAt = (await harness.clock()) + 4 * SECOND;
		const messages = Array.from({ length: 10_000 }, () => toMessage({ type: 'Beta', deliverAt }));
		for (let from = 0; from < messages.length; from += 500) {
			const delay = Math.max(0, deliverAt - (await harness.clock()));
			const batch = messages.slice(from, from + 500).map((message) => ({ ...message, delay }));
			expect(await carrier.publish(batch)).toEqual([]);
		}
		await bench().drained('first');
		const all = [...collector.received, ...other.received];
		expect(new Set(all.map(({ id }) => id)).size).toBe(messages.length);
		expect(all.length).toBeLessThanOrEqual(messages.length * 1.01);
		expect(Math.min(...all.map(({ at }) => at))).toBeGreaterThanOrEqual(deliverAt - harness.early);
	});
}
