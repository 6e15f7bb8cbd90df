import { Buffer } from 'node:buffer';
import { expect, it } from '@jest/globals';
import { HOUR } from '../../../domain/time.ts';
import { LONGEST_BODY } from '../../../mixins/brokers/carrier.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { Collector, idsOf, type Part, toMessage, toMessages } from '../carrier-bench.ts';

const AWKWARD = ['NULL', '', '"\\"', "it's {a,b}", 'back\\slash \\u0000', 'two\nlines\tand a tab', 'ünï ☃ 💶', '$1'];

export function publishingSuite({ harness, bench }: Part): void {
	it('gives every message to each of its groups, as it was published', async () => {
		const messages = [
			...AWKWARD.map((text) => toMessage({ body: JSON.stringify({ text }) })),
			...AWKWARD.map((text) => toMessage({ type: 'Beta', body: text })),
			toMessage({ type: 'Gamma' }),
			toMessage({ type: 'Gamma', deliverAt: (await harness.clock()) - 5_000 }),
		];
		expect(await bench().open().publish(messages)).toEqual([]);

		for (const [group, types] of Object.entries({ first: ['Alpha', 'Beta'], second: ['Alpha', 'Gamma'] })) {
			const collector = new Collector();
			bench().open().subscribe(group, collector.handle);
			const expected = messages.filter(({ type }) => types.includes(type));
			await collector.hasHandled(expected);
			for (const { delay: _, ...message } of expected) {
				expect(collector.first(message.id)).toMatchObject({ ...message, attempt: 1 });
			}
			await bench().drained(group);
			expect(collector.received).toHaveLength(expected.length);
		}
	});

	it('gives what was published while its consumers wait', async () => {
		const collector = new Collector();
		const carrier = bench().open();
		carrier.subscribe('first', collector.handle);
		for (let round = 0; round < 3; round += 1) {
			const own = toMessage();
			const foreign = toMessage();
			await carrier.publish([own]);
			await bench().open().publish([foreign]);
			await collector.hasHandled([own, foreign]);
		}
	});

	it('holds what it has confirmed in the moment it says so', async () => {
		const carrier = bench().open();
		for (let round = 1; round <= 25; round += 1) {
			await carrier.publish(toMessages(40));
			expect(await bench().space.backlog('first')).toBe(40 * round);
		}
	});

	it('holds what it has confirmed, even if the broker is killed in the same moment', async () => {
		const carrier = bench().open();
		const now = toMessages(50);
		const later = await Promise.all([HOUR, 2 * HOUR].map((delay) => bench().delayed(delay)));
		expect(await carrier.publish([...now, ...later])).toEqual([]);
		await harness.kill();

		const plan = await bench().space.plan('second');
		for (const { id } of later) expect(plan.has(id)).toBe(true);
		const collector = new Collector();
		bench().open().subscribe('second', collector.handle);
		await collector.hasHandled(now);
	});

	it('says what it cannot take, and takes the others', async () => {
		const unknown = toMessage({ type: 'Omega' });
		const tooLong = toMessage({ body: '☃'.repeat(LONGEST_BODY / 3 + 1) });
		const longest = toMessage({ body: `${'☃'.repeat(Math.floor(LONGEST_BODY / 3))}.` });
		expect(Buffer.byteLength(longest.body)).toBe(LONGEST_BODY);
		const others = [longest, ...toMessages(3)];
		const carrier = bench().open();
		const failures = await carrier.publish([unknown, ...others, tooLong]);

		expect(idsOf(failures).sort()).toEqual([unknown.id, tooLong.id].sort());
		expect(failures.find(({ id }) => id === unknown.id)?.error).toMatch(/Omega/);
		expect(failures.find(({ id }) => id === tooLong.id)?.error).toMatch(/large|long|size|big/i);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled(others);
		await bench().drained('first');
		expect(collector.received).toHaveLength(others.length);
		expect(collector.first(longest.id).body).toBe(longest.body);
	});

	it('is not stopped by one message with a character that the broker cannot store', async () => {
		const odd = toMessage({ body: 'before\u0000after' });
		const others = toMessages(3);
		const carrier = bench().open();
		const failures = await carrier.publish([...others, odd]);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled(others);
		if (failures.length > 0) expect(idsOf(failures)).toEqual([odd.id]);
		else await collector.hasHandled([odd]);
	});

	it('takes what nobody here listens to, and an empty list', async () => {
		const carrier = bench().open();
		expect(await carrier.publish([toMessage({ type: 'Delta' })])).toEqual([]);
		expect(await carrier.publish([])).toEqual([]);
		expect(await bench().space.backlog('first')).toBe(0);
	});

	it('keeps the order of one key with one publisher, one consumer and no failure', async () => {
		const { space } = bench();
		const carrier = bench().open();
		const keys = Array.from({ length: 5 }, () => newId(Date.now()));
		const collector = new Collector();
		const published: string[] = [];
		const publishSome = async (batches: number): Promise<void> => {
			const atOnce: Promise<unknown>[] = [];
			for (let batch = 0; batch < batches; batch += 1) {
				const messages = Array.from({ length: 40 }, (_, index) =>
					toMessage({ key: keys[index % keys.length] ?? '', body: 'x'.repeat((index * 37) % 900) }),
				);
				published.push(...idsOf(messages));
				atOnce.push(carrier.publish(messages));
				if (atOnce.length === (carrier.publications ?? 1)) expect(await atOnce.shift()).toEqual([]);
			}
			expect((await Promise.all(atOnce)).flat()).toEqual([]);
		};
		// What is stored has been moved about by then: rows removed here and there, and their room used again.
		await publishSome(20);
		const early = carrier.subscribe('first', collector.handle, { batch: 70 });
		await publishSome(20);
		await bench().drained('first');
		await space.tidy?.();
		await early.close();
		await publishSome(20);
		carrier.subscribe('first', collector.handle, { batch: 70 });
		await publishSome(5);
		await bench().drained('first');

		const place = new Map(published.map((id, index) => [id, index]));
		const last = new Map<string, number>();
		const overtaken = collector.received.filter(({ id, key }) => {
			const before = last.get(key) ?? -1;
			const now = place.get(id) ?? -1;
			last.set(key, Math.max(before, now));
			return now < before;
		});
		expect(overtaken).toHaveLength(0);
		expect(collector.received).toHaveLength(published.length);
	});

	const itIn = harness.transactional ? it : it.skip;

	itIn('takes messages as part of a transaction, all or none', async () => {
		const { space } = bench();
		const carrier = bench().open();
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		const [kept, dropped, unknown] = [toMessage(), toMessage(), toMessage({ type: 'Omega' })];
		const undone = space.transaction?.(async (tx) => {
			await carrier.publishIn?.(tx, [dropped]);
			throw new Error('changed my mind');
		});
		await expect(undone).rejects.toThrow('changed my mind');
		const gate = bench().gate();
		const failures = space.transaction?.(async (tx) => {
			const answer = await carrier.publishIn?.(tx, [unknown, kept]);
			await gate.passed;
			return answer;
		});
		await carrier.publish([]);
		expect(await space.backlog('first')).toBe(0); // nobody sees it before the commit
		gate.open();
		expect(idsOf((await failures) ?? [])).toEqual([unknown.id]);
		await collector.hasHandled([kept]);
		await bench().drained('first');
		expect(idsOf(collector.received)).toEqual([kept.id]);
	});
}
