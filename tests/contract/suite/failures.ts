import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Instant } from '../../../domain/time.ts';
import { type BatchHandler, type Carrier, retryDelay } from '../../../mixins/brokers/carrier.ts';
import { type DeadLetter, DeadLetters, MOST_ATTEMPTS } from '../../../mixins/inbox/dead-letters.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';
import { Collector, idsOf, type Part, toMessage, toMessages } from '../carrier-bench.ts';

/** Handles all but these. */
const failing =
	(ids: () => readonly string[], error = 'out of luck'): BatchHandler =>
	async (deliveries) =>
		deliveries.filter(({ id }) => ids().includes(id)).map(({ id }) => ({ id, error }));

export function failureSuite({ harness, bench }: Part): void {
	let database: TestDatabase;
	/** what was counted: the groups */
	let counted: string[];
	let letters: DeadLetters;

	beforeAll(async () => {
		database = await startTestDatabase();
	});
	afterAll(() => database?.stop());
	beforeEach(async () => {
		await database.reset();
		counted = [];
		letters = new DeadLetters(database.database, bench().log, (group) => counted.push(group));
	});

	/** Lets the group's consumers fail until there are so many dead letters. */
	async function untilDead(carrier: Carrier, count: number): Promise<readonly DeadLetter[]> {
		return until(async () => {
			const found = await letters.list(100);
			if (found.length >= count) return found;
			await bench().skipBackOff(carrier);
			await pause(50);
			return undefined;
		}, `${count} dead letters`);
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
	});

	it('repeats with back-off, until the inbox sets the message aside with its error and count', async () => {
		const { space } = bench();
		const bad = toMessage({ body: '{"a":"\\"b\\""}', deliverAt: (await harness.clock()) - 1_000 });
		const error = `it's "bad", {really}\n\\ ☃`;
		const failedAt: Instant[] = [];
		const collector = new Collector(async (deliveries) => {
			if (deliveries.some(({ id }) => id === bad.id)) failedAt.push(Date.now());
			return failing(() => [bad.id], error)(deliveries);
		});
		const carrier = bench().open();
		carrier.subscribe('first', letters.catching('first', collector.handle));
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
		const [letter, ...others] = await untilDead(carrier, 1);

		const attempts = collector.received.filter(({ id }) => id === bad.id);
		expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
		for (const [index, { at, deliverAt }] of attempts.entries()) {
			expect(deliverAt).toBe(bad.deliverAt);
			if (index === 0 || index > 3) continue; // the later ones were hastened
			expect(at - (failedAt[index - 1] ?? 0)).toBeGreaterThanOrEqual(retryDelay(index) - harness.early - 1);
		}
		expect(others).toEqual([]);
		const { id, type, key, body } = bad;
		expect(letter).toMatchObject({ id, type, key, body, consumer: 'first', error, attempts: MOST_ATTEMPTS });
		expect(Math.abs((letter?.failedAt ?? 0) - (failedAt.at(-1) ?? 0))).toBeLessThan(10_000);
		await bench().drained('first'); // the row is there before the process knows
		expect(counted).toEqual(['first']);
		expect(bench().log.lines.some((line) => line.startsWith('error') && line.includes(bad.id))).toBe(true);
	});

	it('repeats a message for as long as it fails: only the inbox knows a last attempt', async () => {
		const bad = toMessage();
		const last = MOST_ATTEMPTS + 3;
		const collector = new Collector(async (deliveries) =>
			deliveries.filter(({ attempt }) => attempt < last).map(({ id }) => ({ id, error: 'out of luck' })),
		);
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		await carrier.publish([bad]);
		await until(async () => {
			if (collector.handled.has(bad.id)) return true;
			await bench().skipBackOff(carrier);
			await pause(50);
			return false;
		}, `attempt ${last}`);
		const attempts = collector.received.filter(({ id }) => id === bad.id).map(({ attempt }) => attempt);
		expect(attempts).toEqual(Array.from({ length: last }, (_, index) => index + 1));
	});

	it('keeps no message that the inbox has set aside, and gets on with the others', async () => {
		const [bad, good] = [toMessage(), toMessage()];
		const collector = new Collector(failing(() => [bad.id], `zero \u0000, half \ud800, long ${'x'.repeat(300_000)}`));
		const carrier = bench().open();
		carrier.subscribe('first', letters.catching('first', collector.handle));
		await carrier.publish([bad, good]);
		expect(await untilDead(carrier, 1)).toMatchObject([{ id: bad.id, error: expect.stringContaining('zero') }]);
		await collector.hasHandled([good]);
		await bench().drained('first');
		expect(collector.count(bad.id)).toBe(MOST_ATTEMPTS);
	});
}
