/** What nobody can handle is set aside in the database, once, whichever broker it came over, and is sent again from there. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SECOND } from '../../../domain/time.ts';
import type { CarrierMessage, Delivery } from '../../../mixins/brokers/carrier.ts';
import { LONGEST_BODY } from '../../../mixins/brokers/carrier.ts';
import { PostgresCarrier } from '../../../mixins/brokers/postgres/carrier.ts';
import { DeadLetters, MOST_ATTEMPTS } from '../../../mixins/inbox/dead-letters.ts';
import { OutboxRelay } from '../../../mixins/outbox/relay.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { type MemoryLog, memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { newEvent, newWakeUp, store, TOPOLOGY, withoutPublishIn } from '../fixtures/outbox.ts';

let server: TestDatabase;
let log: MemoryLog;
/** the groups, one for each letter that was counted */
let counted: string[];
let letters: DeadLetters;

beforeAll(async () => {
	server = await startTestDatabase();
}, 60_000);
afterAll(() => server?.stop(), 60_000);
beforeEach(async () => {
	await server.reset();
	log = memoryLog();
	counted = [];
	letters = new DeadLetters(server.database, log, (group) => counted.push(group));
});

const delivery = (some: Partial<Delivery> = {}): Delivery => ({
	...{ id: newId(Date.now()), type: 'OrderPending', key: newId(Date.now()), body: '{}', deliverAt: null },
	attempt: MOST_ATTEMPTS,
	...some,
});

/** Handles all but those of this type. */
const failing = (type: string) => async (deliveries: readonly Delivery[]) =>
	deliveries.filter((one) => one.type === type).map(({ id }) => ({ id, error: 'out of luck' }));

const idsOf = (some: readonly { readonly id: string }[]): string[] => some.map(({ id }) => id);

/** Sets these messages aside for a group. */
const kill = (group: string, deliveries: readonly Delivery[]) =>
	letters.catching(group, async (some) => some.map(({ id }) => ({ id, error: 'out of luck' })))(deliveries);

describe('a message that failed', () => {
	it('comes again until its last attempt, and is set aside then; the others of its batch are left alone', async () => {
		const handle = letters.catching('shipping', failing('Bad'));
		const [again, dead, good] = [
			delivery({ type: 'Bad', attempt: MOST_ATTEMPTS - 1 }),
			delivery({ type: 'Bad', deliverAt: 1_000 }),
			delivery(),
		];
		expect(await handle([again, dead, good])).toEqual([{ id: again.id, error: 'out of luck' }]);
		const found = await letters.list(10);
		const { id, key, body } = dead;
		expect(found).toEqual([
			{
				...{ id, consumer: 'shipping', type: 'Bad', key, body, attempts: MOST_ATTEMPTS, error: 'out of luck' },
				failedAt: expect.any(Number),
			},
		]);
		expect(Math.abs((found[0]?.failedAt ?? 0) - Date.now())).toBeLessThan(10 * SECOND);
		expect(log.lines).toEqual([`error dead letter for shipping: Bad ${id}: out of luck`]);
	});

	it('is stored, counted and told of once for each group, however often it comes again', async () => {
		const dead = delivery();
		for (const attempt of [MOST_ATTEMPTS, MOST_ATTEMPTS, MOST_ATTEMPTS + 1])
			expect(await kill('shipping', [{ ...dead, attempt }, dead])).toEqual([]);
		await kill('settlement', [dead]);
		expect((await letters.list(10)).map(({ consumer }) => consumer)).toEqual(['settlement', 'shipping']);
		expect(counted).toEqual(['shipping', 'settlement']);
		expect(log.lines).toHaveLength(2);
	});

	it('comes again where it cannot be stored', async () => {
		const closed = server.open();
		const elsewhere = new DeadLetters(closed, log, (group) => counted.push(group));
		await closed.close();
		const [dead, good] = [delivery({ type: 'Bad' }), delivery()];
		const handle = elsewhere.catching('shipping', failing('Bad'));
		expect(await handle([dead, good])).toEqual([{ id: dead.id, error: 'out of luck' }]);
		expect(counted).toEqual([]);
	});

	it('is there in its hundreds', async () => {
		const many = Array.from({ length: 230 }, () => delivery());
		expect(await kill('shipping', many)).toEqual([]);
		expect(counted).toHaveLength(230);
		expect(await letters.list(1_000)).toHaveLength(230);
	});
});

describe('a message that nobody can read', () => {
	it('is shown to no handler, and set aside at once', async () => {
		const seen: string[] = [];
		const handle = letters.catching('shipping', async (deliveries) => {
			seen.push(...idsOf(deliveries));
			return [];
		});
		const [foreign, good] = [delivery({ attempt: 1, unreadable: 'no header' }), delivery()];
		expect(await handle([foreign, good])).toEqual([]);
		expect(await handle([foreign])).toEqual([]);
		expect(seen).toEqual([good.id]);
		expect(await letters.list(10)).toMatchObject([{ id: foreign.id, attempts: 1, error: 'no header' }]);
		expect(counted).toEqual(['shipping']);
	});

	it('is set aside whatever it holds', async () => {
		const rubbish = delivery({
			...{
				type: `"\0${'t'.repeat(1_000)}`,
				key: 'nobody\'s "order" {}',
				body: `\0\ud800\\"{}${'b'.repeat(LONGEST_BODY)}`,
			},
			...{ deliverAt: Number.MAX_VALUE, unreadable: `zero \0, half \ud800, long ${'x'.repeat(300_000)}` },
		});
		const moments = [-1e20, Number.NaN, Number.POSITIVE_INFINITY].map((deliverAt) =>
			delivery({ deliverAt, unreadable: 'no moment' }),
		);
		await kill('shipping', [rubbish, ...moments]);
		const found = await letters.list(10);
		expect(idsOf(found).sort()).toEqual(idsOf([rubbish, ...moments]).sort());
		const letter = found.find(({ id }) => id === rubbish.id);
		expect(letter?.key).toBeNull();
		expect(letter?.type).toHaveLength(200);
		expect(letter?.body).toHaveLength(10_000); // in a list; the table has all that was kept
		const stored = `SELECT length(body)::int AS length FROM dead_letters WHERE id = '${rubbish.id}'`;
		expect(await server.query(stored)).toEqual([{ length: LONGEST_BODY }]);
		expect(letter?.error).toContain('zero \ufffd');
		expect(letter?.error.length).toBeLessThanOrEqual(2_000);
	});

	it('is set aside however often it claims to have failed', async () => {
		const counts = [2 ** 31, Number.MAX_SAFE_INTEGER, 1e300, 8.5];
		const many = counts.map((attempt) => delivery({ attempt, unreadable: 'no count' }));
		expect(await letters.catching('shipping', async () => [])(many)).toEqual([]);
		const found = (await letters.list(10)).map(({ attempts }) => attempts);
		expect(found.sort((a, b) => a - b)).toEqual([8, 2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1]);
	});

	it('holds up no other where the database refuses to store it', async () => {
		const [foreign, good] = [delivery({ unreadable: 'no header' }), delivery()];
		const seen: string[] = [];
		const handle = letters.catching('shipping', async (deliveries) => {
			seen.push(...idsOf(deliveries));
			return [];
		});
		await server.query('ALTER TABLE dead_letters RENAME TO elsewhere');
		try {
			expect(await handle([foreign, good])).toEqual([{ id: foreign.id, error: 'no header' }]);
		} finally {
			await server.query('ALTER TABLE elsewhere RENAME TO dead_letters');
		}
		expect(seen).toEqual([good.id]);
		expect(log.lines).toContainEqual(expect.stringContaining('dead letters of shipping cannot be stored'));
		expect(await handle([foreign])).toEqual([]);
		expect(counted).toEqual(['shipping']);
	});

	it('stays with its broker where the database is away', async () => {
		const closed = server.open();
		await closed.close();
		const handle = new DeadLetters(closed, log).catching('shipping', async () => {
			throw new Error('it was shown to the handler');
		});
		await expect(handle([delivery({ unreadable: 'no header' })])).rejects.toThrow('the database is not ready');
	});
});

describe('a replay', () => {
	/** Everything that the relay publishes. */
	async function relayed(): Promise<CarrierMessage[]> {
		const sent: CarrierMessage[] = [];
		const carrier = withoutPublishIn(new PostgresCarrier(server.database, TOPOLOGY, log));
		const relay = new OutboxRelay(server.database, {
			...carrier,
			publish: async (messages) => {
				sent.push(...messages);
				return [];
			},
		});
		await relay.step();
		return sent.toSorted((one, other) => (one.id < other.id ? -1 : 1));
	}

	const toDelivery = ({ id, type, key, body, deliverAt }: CarrierMessage): Delivery =>
		delivery({ id, type, key, body, deliverAt });

	it('sends events and wake-ups as they were sent at first, all or some', async () => {
		const raised = [newEvent(), newWakeUp(Date.now() + 60 * SECOND), newEvent({ type: 'PaymentCaptured' })];
		await store(server.database, raised, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
		const first = await relayed();
		await kill('shipping', first.map(toDelivery));
		expect(await relayed()).toEqual([]);

		const [event = '', wakeUp = '', other = ''] = idsOf(raised);
		expect(await letters.replay([])).toBe(0);
		expect(await letters.replay([newId(Date.now())])).toBe(0);
		expect(await letters.replay([event, wakeUp])).toBe(2);
		expect(idsOf(await letters.list(10))).toEqual([other]);
		const again = await relayed();
		const withoutDelay = (messages: readonly CarrierMessage[]) => messages.map(({ delay, ...message }) => message);
		expect(withoutDelay(again)).toEqual(withoutDelay(first.filter(({ id }) => id !== other)));
		expect(again.find(({ id }) => id === wakeUp)?.delay).toBeGreaterThan(0);

		expect(await letters.replay()).toBe(1);
		expect(await letters.list(10)).toEqual([]);
		expect(idsOf(await relayed())).toEqual([other]);
		await kill('shipping', again.map(toDelivery)); // they fail once more
		expect(await letters.list(10)).toHaveLength(2);
	});

	it('sends a message once that several groups have failed with', async () => {
		await store(server.database, [newEvent()]);
		const [message] = await relayed();
		if (message === undefined) throw new Error('nothing was sent');
		await kill('shipping', [toDelivery(message)]);
		await kill('settlement', [toDelivery(message)]);
		expect(await letters.replay()).toBe(2);
		expect(idsOf(await relayed())).toEqual([message.id]);
	});

	it('sends thousands, each once, though several ask for it at the same time', async () => {
		const { type } = newWakeUp(0);
		const many = Array.from({ length: 3_000 }, () => delivery({ type, deliverAt: 1_000 }));
		for (let from = 0; from < many.length; from += 500) await kill('shipping', many.slice(from, from + 500));
		const ids = idsOf(many).toReversed();
		const asked = [letters.replay(), letters.replay(ids.slice(0, 2_000)), letters.replay(ids.slice(1_000))];
		expect((await Promise.all(asked)).reduce((sum, count) => sum + count)).toBe(many.length);
		const count = 'SELECT count(*)::int AS rows, count(DISTINCT message_id)::int AS messages FROM outbox_messages';
		expect(await server.query(count)).toEqual([{ rows: many.length, messages: many.length }]);
		expect(await letters.list(1)).toEqual([]);
	});

	it('leaves what this system has never raised where it is', async () => {
		const [event, wakeUp] = [newEvent(), newWakeUp(Date.now())];
		await store(server.database, [event, wakeUp]);
		await relayed();
		const strangers = [
			delivery(),
			delivery({ type: 'Nonsense' }),
			delivery({ id: event.id, key: 'no order', unreadable: 'the key is not an order id' }),
			delivery({ id: event.id, key: event.orderId, type: 'OrderShipped' }),
			delivery({ id: wakeUp.id, type: wakeUp.type, key: wakeUp.orderId }), // without its moment
		];
		for (const [index, stranger] of strangers.entries()) await kill(`group ${index}`, [stranger]);
		expect(await letters.replay()).toBe(0);
		expect(await letters.list(10)).toHaveLength(strangers.length);
		expect(await relayed()).toEqual([]);
	});
});
