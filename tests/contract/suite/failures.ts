import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import type { Instant } from '../../../domain/time.ts';
import { type BatchHandler, type Carrier, MOST_ATTEMPTS, retryDelay } from '../../../mixins/brokers/carrier.ts';
import { until } from '../../support/until.ts';
import { Collector, idsOf, type Part, toMessage, toMessages } from '../carrier-bench.ts';

/** Handles all but these. */
const failing =
	(ids: () => readonly string[], error = 'out of luck'): BatchHandler =>
	async (deliveries) =>
		deliveries.filter(({ id }) => ids().includes(id)).map(({ id }) => ({ id, error }));

export function failureSuite({ harness, bench }: Part): void {
	/** Lets the group's consumers fail with these messages until they are dead letters. */
	async function untilDead(carrier: Carrier, ids: readonly string[]): Promise<void> {
		await until(async () => {
			const letters = idsOf(await carrier.deadLetters(100));
			if (ids.every((id) => letters.includes(id))) return true;
			await bench().skipBackOff(carrier);
			await pause(50);
			return false;
		}, `dead letters of ${ids}`);
	}

	it('gives the messages of a process that is killed in the middle to another one', async () => {
		const carrier = bench().open();
		const messages = toMessages(25);
		await carrier.publish(messages);
		const victim = await bench().openHangingProcess('first');
		expect(victim.ids.length).toBeGreaterThan(0);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		victim.kill();
		await collector.hasHandled(messages);
		await bench().drained('first');
		for (const id of victim.ids) expect(collector.first(id).attempt).toBe(1);
	});

	it('gives all again, and blames nobody, when a handler throws', async () => {
		let throws = 4;
		const collector = new Collector(async () => {
			throws -= 1;
			if (throws >= 0) throw new Error('the database is away');
			return [];
		});
		const messages = toMessages(20);
		const carrier = bench().open();
		await carrier.publish(messages);
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled(messages);
		expect(collector.batches.length).toBeGreaterThanOrEqual(5);
		expect(new Set(collector.received.map(({ attempt }) => attempt))).toEqual(new Set([1]));
		await bench().drained('first');
		expect(await carrier.deadLetters(10)).toEqual([]);
	});

	it('gives only the failed messages of a batch again, with their number of failures', async () => {
		const messages = toMessages(40);
		const bad = idsOf(messages).filter((_, index) => index % 13 === 5);
		const collector = new Collector(async (deliveries) =>
			deliveries
				.filter(({ id, attempt }) => bad.includes(id) && attempt < 3)
				.map(({ id, attempt }) => ({ id, error: `no ${attempt}` })),
		);
		const carrier = bench().open();
		await carrier.publish(messages);
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled(messages);
		await bench().drained('first');
		for (const { id, body, key, type } of messages) {
			const deliveries = collector.received.filter((delivery) => delivery.id === id);
			expect(deliveries.map(({ attempt }) => attempt)).toEqual(bad.includes(id) ? [1, 2, 3] : [1]);
			for (const delivery of deliveries) expect(delivery).toMatchObject({ body, key, type, deliverAt: null });
		}
		expect(await carrier.deadLetters(10)).toEqual([]);
	});

	it('repeats with back-off, then sets the message aside with its error and count', async () => {
		const { space } = bench();
		const bad = toMessage({ body: '{"a":"\\"b\\""}', deliverAt: (await harness.clock()) - 1_000 });
		const error = `it's "bad", {really}\n\\ ☃`;
		const failedAt: Instant[] = [];
		const collector = new Collector(async (deliveries) => {
			if (deliveries.some(({ id }) => id === bad.id)) failedAt.push(Date.now());
			return failing(() => [bad.id], error)(deliveries);
		});
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		await carrier.publish([bad]);
		for (let attempt = 1; attempt < MOST_ATTEMPTS; attempt += 1) {
			const planned = await until(async () => {
				const at = (await space.plan('first')).get(bad.id);
				return failedAt.length > attempt ||
					(failedAt.length === attempt && at !== undefined && at > (failedAt.at(-1) ?? 0))
					? (at ?? -1)
					: undefined;
			}, `a plan for the message after its failure ${attempt}`);
			if (failedAt.length === attempt && planned > 0) {
				const waits = planned - (failedAt.at(-1) ?? 0);
				expect(waits).toBeGreaterThanOrEqual(retryDelay(attempt) - harness.early - 1);
				expect(waits).toBeLessThan(retryDelay(attempt) + 10_000);
			}
			if (attempt > 3) await bench().skipBackOff(carrier);
			await until(() => failedAt.length > attempt, `a delivery after failure ${attempt}`);
		}
		await until(async () => (await carrier.deadLetters(10)).length > 0, 'a dead letter');

		const attempts = collector.received.filter(({ id }) => id === bad.id);
		expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
		for (const [index, { at, deliverAt }] of attempts.entries()) {
			expect(deliverAt).toBe(bad.deliverAt);
			if (index === 0 || index > 3) continue; // the later ones were hastened
			expect(at - (failedAt[index - 1] ?? 0)).toBeGreaterThanOrEqual(retryDelay(index) - harness.early - 1);
		}
		const [letter, ...others] = await carrier.deadLetters(10);
		expect(others).toEqual([]);
		const { id, type, key, body } = bad;
		expect(letter).toMatchObject({ id, type, key, body, consumer: 'first', error, attempts: MOST_ATTEMPTS });
		expect(Math.abs((letter?.failedAt ?? 0) - (failedAt.at(-1) ?? 0))).toBeLessThan(10_000);
		await until(() => bench().setAside.length > 0, 'the carrier says so');
		expect(bench().setAside).toEqual([{ group: 'first', reason: error }]);
		await bench().drained('first');
		expect(bench().log.lines.some((line) => line.startsWith('error') && line.includes(bad.id))).toBe(true);
	});

	it('sets a message aside whatever is in its error', async () => {
		const bad = toMessage();
		const good = toMessage();
		const collector = new Collector(failing(() => [bad.id], `zero \u0000, half \ud800, long ${'x'.repeat(300_000)}`));
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		await carrier.publish([bad, good]);
		await untilDead(carrier, [bad.id]);
		await collector.hasHandled([good]);
		expect((await carrier.deadLetters(10))[0]?.error).toContain('zero');
	});

	it('lists dead letters, the newest first, and delivers them again, some or all', async () => {
		const bad = [toMessage({ type: 'Beta' }), toMessage(), toMessage({ type: 'Beta' }), toMessage({ type: 'Beta' })];
		let ill = idsOf(bad);
		const collector = new Collector((deliveries) => failing(() => ill)(deliveries));
		const other = new Collector();
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		carrier.subscribe('second', other.handle);
		for (const message of bad) {
			await carrier.publish([message]);
			await untilDead(carrier, [message.id]);
		}
		const ids = idsOf(bad);
		expect(idsOf(await bench().open().deadLetters(10))).toEqual(ids.toReversed());
		expect(idsOf(await carrier.deadLetters(2))).toEqual(ids.toReversed().slice(0, 2));

		ill = ids.slice(0, 1); // the others get well
		const [first = '', second = '', third = '', fourth = ''] = ids;
		expect(await carrier.replayDeadLetters([])).toBe(0);
		expect(await carrier.replayDeadLetters([toMessage().id])).toBe(0);
		expect(await carrier.replayDeadLetters([second, third])).toBe(2);
		await collector.hasHandled([{ id: second }, { id: third }]);
		expect(idsOf(await carrier.deadLetters(10))).toEqual([fourth, first]);
		expect(collector.received.filter(({ id }) => id === second).at(-1)).toMatchObject({ attempt: 1, type: 'Alpha' });
		expect(other.count(second)).toBe(1); // it had failed for the first group alone

		expect(await bench().open().replayDeadLetters()).toBe(2);
		await collector.hasHandled([{ id: fourth }]);
		await untilDead(carrier, [first]);
		expect(collector.count(first)).toBe(2 * MOST_ATTEMPTS);
		expect(await carrier.deadLetters(10)).toMatchObject([{ id: first, attempts: MOST_ATTEMPTS }]);
	});
}
