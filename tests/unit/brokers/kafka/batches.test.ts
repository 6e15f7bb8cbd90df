import { describe, expect, it } from '@jest/globals';
import { MINUTE, SECOND } from '../../../../domain/time.ts';
import { type BatchHandler, type Delivery, retryDelay } from '../../../../mixins/brokers/carrier.ts';
import { Batches } from '../../../../mixins/brokers/kafka/batches.ts';
import { type Held, PartitionReader } from '../../../../mixins/brokers/kafka/partition.ts';
import { fresh, type Outgoing } from '../../../../mixins/brokers/kafka/records.ts';
import { Topics } from '../../../../mixins/brokers/kafka/topics.ts';
import { newId } from '../../../../mixins/runtime/uuid.ts';
import { memoryLog } from '../../../support/database.ts';
import { until } from '../../../support/until.ts';

const NOW = 1_795_389_984_692;
const TOPICS = new Topics('pp', { consumers: { first: ['Alpha'] }, types: ['Alpha'] });

function held(due: number | null = null, home = new PartitionReader({ topic: 'pp.first', hold: 0 }, 0)): Held {
	const id = newId(NOW);
	const message = fresh({ id, type: 'Alpha', key: id, body: '{}', deliverAt: due, delay: 0 }, due);
	return { home, offset: 0, message, release: 0, done: false };
}

/** Batches on a handler; what they have sent and what they say is done. */
function world(handle: BatchHandler, send: (records: readonly Outgoing[]) => Promise<void> = async () => {}) {
	const sent: Outgoing[] = [];
	const done: Held[] = [];
	const batches = new Batches({
		group: 'first',
		batch: 2,
		concurrency: 1,
		handle,
		send: async (records) => {
			await send(records);
			sent.push(...records);
		},
		done: (some) => void done.push(...some),
		topics: TOPICS,
		clock: { isRead: true, now: () => NOW },
		log: memoryLog(),
	});
	return { batches, sent, done };
}

const header = ({ record }: Outgoing, name: string): unknown => record.headers?.[name];

describe('batches', () => {
	it('send on what is not due, to the rung for what it has left, and give the handler only the others', async () => {
		const seen: Delivery[] = [];
		const { batches, sent, done } = world(async (deliveries) => {
			seen.push(...deliveries);
			return [];
		});
		const [early, due] = [held(NOW + MINUTE), held(NOW)];
		for (const one of [early, due]) batches.add(one);
		await until(() => done.length === 2);
		expect(seen).toMatchObject([{ id: due.message.id, attempt: 1 }]);
		expect(sent).toMatchObject([{ topic: 'pp.first.delay-55s' }]);
		expect(sent.map((one) => [header(one, 'due'), header(one, 'release')])).toEqual([
			[String(NOW + MINUTE), String(NOW + 55 * SECOND)],
		]);
	});

	it('take what has failed for done only when it is on the rung for its retry', async () => {
		let isAway = true;
		const bad = held();
		const { batches, sent, done } = world(
			async () => [{ id: bad.message.id, error: 'no' }],
			async () => {
				if (!isAway) return;
				isAway = false;
				expect(done).toEqual([]);
				throw new Error('Kafka is away');
			},
		);
		batches.add({ ...bad, message: { ...bad.message, attempts: 9 } });
		await until(() => done.length === 1);
		expect(isAway).toBe(false);
		expect(sent.map((one) => [header(one, 'attempts'), header(one, 'due')])).toEqual([
			['10', String(NOW + retryDelay(10))],
		]);
	});

	it('neither give again nor send on what became somebody else’s', async () => {
		const home = new PartitionReader({ topic: 'pp.first', hold: 0 }, 0);
		const [lost, kept] = [held(null, home), held()];
		const seen: string[][] = [];
		const { batches, sent, done } = world(async (deliveries) => {
			seen.push(deliveries.map(({ id }) => id));
			home.gone = true;
			if (seen.length === 1) throw new Error('the database is away');
			return deliveries.map(({ id }) => ({ id, error: 'no' }));
		});
		for (const one of [lost, kept]) batches.add(one);
		await until(() => done.length === 1);
		expect(seen).toEqual([[lost.message.id, kept.message.id], [kept.message.id]]);
		expect(sent.map((one) => header(one, 'ce_id'))).toEqual([kept.message.id]);
		expect(done).toEqual([kept]);
	});

	it('begin nothing while they are halted, and forget what waits when they begin anew', async () => {
		const seen: string[] = [];
		const { batches } = world(async (deliveries) => {
			seen.push(...deliveries.map(({ id }) => id));
			return [];
		});
		batches.halt();
		batches.add(held());
		await new Promise((resolve) => setImmediate(resolve));
		batches.restart();
		const next = held();
		batches.add(next);
		await until(() => seen.length > 0);
		expect(seen).toEqual([next.message.id]);
	});
});
