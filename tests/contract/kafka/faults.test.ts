import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { kafka } from '../../../bin/brokers/kafka.ts';
import { HOUR, SECOND } from '../../../domain/time.ts';
import type { CarrierMessage } from '../../../mixins/brokers/carrier.ts';
import type { KafkaCarrier } from '../../../mixins/brokers/kafka/carrier.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { describeBroker } from '../../support/brokers.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { Bench, Collector, idsOf, TOPOLOGY, toMessage, toMessages } from '../carrier-bench.ts';
import { kafkaHarness } from './harness.ts';

jest.setTimeout(5 * PATIENCE);

const harness = kafkaHarness();

await describeBroker(kafka, 'the Kafka carrier when things go wrong', () => {
	let bench: Bench;
	const children: ChildProcess[] = [];

	beforeAll(() => harness.start());
	afterAll(() => harness.stop());
	beforeEach(async () => {
		bench = await Bench.open(harness);
	});
	afterEach(async () => {
		for (const child of children.splice(0)) child.kill('SIGKILL');
		await bench.close();
	});

	/** A consumer in a process of its own; what it has handled comes into `handled`. */
	function start(group: string): { readonly handled: Set<string>; kill(): void } {
		const program = join(import.meta.dirname, 'process.ts');
		const args = [program, harness.current().address, JSON.stringify(TOPOLOGY), group];
		const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
		children.push(child);
		const handled = new Set<string>();
		createInterface({ input: child.stdout }).on('line', (line) => {
			for (const id of JSON.parse(line)) handled.add(id);
		});
		return { handled, kill: () => void child.kill('SIGKILL') };
	}

	it('goes on without a message that is too large for its topic, and says so until one of the kind is taken', async () => {
		const carrier = bench.open() as KafkaCarrier;
		const space = harness.current();
		const topic = space.topics.direct('first');
		await bench.publish(carrier, toMessages(3));
		expect(carrier.waitsFor).toBeUndefined();

		await space.configure(topic, { 'max.message.bytes': '3000' });
		const large = toMessage({ body: JSON.stringify('x'.repeat(5_000)) });
		const many = toMessages(60);
		const failures = await until(async () => {
			const found = await carrier.publish([...many.slice(0, 20), large, ...many.slice(20)]);
			return found.length > 0 && found;
		});
		expect(failures).toEqual([{ id: large.id, error: expect.stringContaining('MESSAGE_TOO_LARGE') }]);
		expect(carrier.waitsFor).toMatch(/^the broker takes no messages: MESSAGE_TOO_LARGE/);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		await collector.hasHandled(many);
		await carrier.publish(toMessages(1));
		expect(carrier.waitsFor).toBeUndefined();
		expect(bench.log.lines.filter((line) => line.includes('takes no messages'))).toHaveLength(1);
	});

	it('loses and skips nothing while members join, leave and are killed, at once or delayed', async () => {
		const publisher = bench.open();
		const collector = new Collector();
		const stays = bench.open();
		stays.subscribe('first', collector.handle, { batch: 20, concurrency: 2 });
		const messages: CarrierMessage[] = [];
		let ended = false;
		const publishing = (async () => {
			while (!ended) {
				const delay = (1 + (messages.length % 7) / 2) * SECOND;
				const some = [...toMessages(20), ...(await Promise.all([1, 2, 3].map(() => bench.delayed(delay))))];
				await bench.publish(publisher, some);
				messages.push(...some);
			}
		})();
		const victim = start('first');
		await until(() => victim.handled.size > 30, 'the first victim takes part');
		const comes = bench.open();
		comes.subscribe('first', collector.handle, { batch: 20 });
		victim.kill();
		const second = start('first');
		await until(() => second.handled.size > 30, 'the second victim takes part');
		await comes.close();
		second.kill();
		ended = true;
		await publishing;

		const handled = (id: string): boolean =>
			collector.handled.has(id) || victim.handled.has(id) || second.handled.has(id);
		await until(
			() => messages.every(({ id }) => handled(id)),
			() => `all are handled, but ${messages.filter(({ id }) => !handled(id)).length} are not`,
		);
		await bench.drained('first');
		for (const { id, deliverAt } of messages) {
			if (deliverAt !== null && collector.count(id) > 0)
				expect(collector.first(id).at).toBeGreaterThanOrEqual(deliverAt - harness.early);
		}
	});

	it('commits nothing ahead of a message in hand, so that a kill passes over none', async () => {
		const publisher = bench.open();
		const key = newId(Date.now());
		const all = Array.from({ length: 60 }, (_, index) =>
			toMessage({ type: 'Beta', key, body: index % 25 === 10 ? 'hang' : '{}' }),
		);
		await publisher.publish(all);
		const victim = start('first');
		// Three batches hold a message that hangs; what came before them is done, and what comes behind waits.
		const hang = idsOf(all.filter(({ body }) => body === 'hang'));
		await until(() => victim.handled.size >= 48, 'all others are handled');
		await until(async () => (await bench.space.backlog('first')) < 60, 'what can be committed is');
		const plan = await bench.space.plan('first');
		expect(hang.filter((id) => !plan.has(id))).toEqual([]);
		expect(all.slice(10).filter(({ id }) => !plan.has(id))).toEqual([]);
		victim.kill();

		const collector = new Collector();
		publisher.subscribe('first', collector.handle);
		await collector.hasHandled(all.slice(10));
		expect(all.filter(({ id }) => !victim.handled.has(id) && !collector.handled.has(id))).toEqual([]);
		await bench.drained('first');
	});

	it.each(['deleted', 'wiped'] as const)('makes its topics anew when they are lost: %s', async (how) => {
		const carrier = bench.open();
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		const before = toMessages(50);
		await carrier.publish([...before, await bench.delayed(HOUR)]);
		await collector.hasHandled(before);
		await bench.drained('second').catch(() => {}); // nobody reads it; it is lost with the rest
		if (how === 'deleted') await harness.current().remove();
		else await harness.wipe();

		// As many as before: offsets that were seen are seen again, and are not the same messages.
		for (let round = 0; round < 5; round += 1) {
			const after = [...toMessages(20), await bench.delayed(SECOND / 2)];
			await bench.publish(carrier, after);
			await collector.hasHandled(after);
		}
		await carrier.publish([await bench.delayed(HOUR)]);
		await until(async () => (await bench.space.plan('first')).size === 1);
	});

	it('closes while all that it has waits, and leaves it to the next', async () => {
		const carrier = bench.open();
		const collector = new Collector();
		carrier.subscribe('first', collector.handle, { concurrency: 3 });
		const far = await bench.delayed(HOUR);
		const near = await Promise.all([4, 5, 6, 7].map((seconds) => bench.delayed(seconds * SECOND)));
		const now = toMessage();
		await carrier.publish([far, ...near, now]);
		await collector.hasHandled([now]);
		await carrier.close();
		const taken = collector.received.length;
		const next = new Collector();
		bench.open().subscribe('first', next.handle);
		await until(() => near.every(({ id }) => collector.handled.has(id) || next.handled.has(id)));
		expect(collector.received).toHaveLength(taken);
		for (const { id, deliverAt } of near.filter((message) => next.handled.has(message.id)))
			expect(next.first(id).at).toBeGreaterThanOrEqual((deliverAt ?? 0) - harness.early);
		expect((await bench.space.plan('first')).has(far.id)).toBe(true);
	});

	it('goes from rung to rung, and keeps the moment', async () => {
		const carrier = bench.open();
		const collector = new Collector();
		const message = await bench.delayed(11 * SECOND);
		await carrier.publish([message]);
		await carrier.subscribe('first', collector.handle);
		const longer = await bench.delayed(14 * SECOND);
		await carrier.publish([longer]);
		await collector.hasHandled([message, longer]);
		for (const { id, deliverAt } of [message, longer]) {
			expect(collector.count(id)).toBe(1);
			expect(collector.first(id)).toMatchObject({ deliverAt, attempt: 1 });
			expect(collector.first(id).at).toBeGreaterThanOrEqual((deliverAt ?? 0) - harness.early);
		}
		await bench.drained('first');
	});

	it('gives what is not ours to the handler as unreadable, with the reason, and goes on', async () => {
		const carrier = bench.open();
		let isAway = true;
		const collector = new Collector(async (deliveries) => {
			if (isAway && deliveries.some(({ unreadable }) => unreadable !== undefined)) {
				isAway = false;
				throw new Error('they cannot be stored now');
			}
			return [];
		});
		carrier.subscribe('first', collector.handle);
		const key = newId(Date.now());
		const good = [toMessage({ key }), toMessage({ key }), await bench.delayed(SECOND / 2, { key })];
		await carrier.publish(good.slice(0, 1));
		const { topics } = harness.current();
		const foreign = { ce_id: newId(Date.now()), ce_type: 'Foreign' };
		await harness.current().put(topics.direct('first'), [
			{ key, value: Buffer.from([0xff, 0xfe, 0]) },
			{ key, value: null },
			{ key: null, value: '{}' },
			{ key, value: '{}', headers: { ce_id: "'; DROP TABLE orders", ce_type: 'Alpha' } },
			{ key, value: '{}', headers: foreign },
		]);
		const [lowest = ''] = topics.lanes('first').flatMap(({ topic }) => (topic.includes('delay') ? [topic] : []));
		await harness.current().put(lowest, [{ key, value: 'x', headers: { due: 'soon' } }]);
		await carrier.publish(good.slice(1));
		await collector.hasHandled(good);
		await bench.drained('first');

		const unreadable = collector.received.filter((delivery) => delivery.unreadable !== undefined);
		for (const delivery of unreadable) expect(delivery.unreadable).toMatch(/^unreadable: .*(UUID|value|Foreign)/);
		const ids = new Set(idsOf(unreadable));
		expect(ids.size).toBe(6); // those that came twice, since the handler threw, came under the same ids
		expect(ids.has(foreign.ce_id)).toBe(true);
		expect([...ids].filter((id) => !collector.handled.has(id))).toEqual([]);
		expect(isAway).toBe(false);
		const readable = collector.received.filter((delivery) => delivery.unreadable === undefined);
		expect(new Set(idsOf(readable))).toEqual(new Set(idsOf(good)));
	});

	it('delivers what the release before this one has sent, and what waits on its topics', async () => {
		const carrier = bench.open();
		const [direct, delayed, retried, moved] = [toMessage(), await bench.delayed(4 * SECOND), toMessage(), toMessage()];
		const now = Date.now();
		const headers = ({ id, type }: CarrierMessage) => ({ ce_id: id, ce_type: type });
		await bench.publish(carrier, [await bench.delayed(10 * SECOND)]); // makes the rung
		const { topics } = harness.current();
		const [own = '', zero = '', five = ''] = topics.lanes('first').map(({ topic }) => topic);
		await harness.current().put(own, [{ key: direct.key, value: '{}', headers: headers(direct) }]);
		const collector = new Collector();
		carrier.subscribe('first', collector.handle);
		// Its moments were the broker's, which may be far from the database's; the one that was asked for is true.
		const due = String(now + HOUR);
		await harness.current().put(zero, [
			{
				key: delayed.key,
				value: '{}',
				headers: { ...headers(delayed), due, 'deliver-at': String(delayed.deliverAt) },
			},
		]);
		await harness.current().put(five, [
			{
				key: retried.key,
				value: '{}',
				headers: { ...headers(retried), due: String(now + 6 * SECOND), attempts: '7' },
			},
			{ key: moved.key, value: '{}', headers: { ...headers(moved), due: String(now + 11 * SECOND) } },
		]);
		await collector.hasHandled([direct, delayed, retried, moved]);
		expect(collector.first(delayed.id).at).toBeGreaterThanOrEqual((delayed.deliverAt ?? 0) - harness.early);
		expect(collector.first(retried.id)).toMatchObject({ attempt: 8, deliverAt: null });
		expect(collector.first(retried.id).at).toBeGreaterThanOrEqual(now + 6 * SECOND - harness.early);
		expect(collector.first(moved.id).at).toBeGreaterThanOrEqual(now + 11 * SECOND - harness.early);
	});

	it('shares a group with members of the release before', async () => {
		const carrier = bench.open();
		await bench.publish(carrier, toMessages(1)); // makes the topics
		const before = new Set<string>();
		const old = await harness.current().joinAsBefore('first', (id) => before.add(id));
		try {
			const collector = new Collector();
			carrier.subscribe('first', collector.handle);
			const messages: CarrierMessage[] = [];
			await until(async () => {
				const some = toMessages(10);
				await bench.publish(carrier, some);
				messages.push(...some);
				return before.size > 0 && collector.handled.size > 0;
			}, 'both get some');
			await until(() => messages.every(({ id }) => before.has(id) || collector.handled.has(id)));
		} finally {
			await old.close();
		}
		await bench.drained('first'); // by those who stay
	});
});
