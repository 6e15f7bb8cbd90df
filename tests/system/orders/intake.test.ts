import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ok } from '../../../domain/result.ts';
import { Intake, type Placed, type PlaceRequest } from '../../../services/orders/placing.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let stored = 0;

beforeAll(async () => {
	database = await startTestDatabase();
});
afterAll(() => database.stop());
beforeEach(() => database.reset());

interface Answer {
	readonly id: string;
}

const intake = (): Intake<Answer> =>
	new Intake(database.database, {
		stored: () => {
			stored += 1;
		},
	});

function request(
	key: string | null,
	change: { minor?: bigint; fingerprint?: string; owner?: string } = {},
): PlaceRequest<Answer> {
	const owner = change.owner ?? 'tester';
	return {
		caller: owner,
		command: ok({
			owner,
			productName: 'Tea "with" quotes, {braces}, \\backslashes\\ and ünïcödé',
			amount: { minor: change.minor ?? 1_990n, currency: 'USD' },
			paymentMethod: 'card_ok',
			cancellationWindow: 60_000,
		}),
		idempotency: key === null ? null : { key, fingerprint: change.fingerprint ?? 'same' },
		traceparent: null,
		answer: (order) => ({ id: order.record.id }),
	};
}

const idOf = (placed: Placed<Answer>): string => ('answer' in placed ? placed.answer.id : placed.kind);

const count = async (table: string): Promise<number> =>
	Number((await database.query<{ n: bigint }>(`SELECT count(*) AS n FROM ${table}`))[0]?.n);

describe('taking orders in', () => {
	it('lets those that come together share four transactions, with event, outbox and key', async () => {
		stored = 0;
		const one = intake();
		const placed = await Promise.all(Array.from({ length: 150 }, (_, place) => one.place(request(`key-${place}`))));
		expect(placed.every(({ kind }) => kind === 'created')).toBe(true);
		const [transactions] = await database.query<{ n: bigint }>('SELECT count(DISTINCT xmin::text) AS n FROM orders');
		expect(transactions?.n).toBe(4n);
		expect(stored).toBe(4);
		for (const table of ['orders', 'order_events', 'idempotency_keys']) expect(await count(table)).toBe(150);
		expect(await count('payments')).toBe(0); // none is intended yet
		expect(await count('outbox_messages')).toBe(300);
		const [row] = await database.query<{ product_name: string }>('SELECT product_name FROM orders LIMIT 1');
		expect(row?.product_name).toBe('Tea "with" quotes, {braces}, \\backslashes\\ and ünïcödé');
	});

	it('never lets a bad one harm its neighbours', async () => {
		const one = intake();
		const placed = await Promise.all(
			Array.from({ length: 40 }, (_, place) => one.place(request(`key-${place}`, place === 17 ? { minor: -1n } : {}))),
		);
		expect(placed.map(({ kind }) => kind)).toEqual(
			Array.from({ length: 40 }, (_, place) => (place === 17 ? 'failed' : 'created')),
		);
		expect(await count('orders')).toBe(39);
		expect(await count('idempotency_keys')).toBe(39);
	});

	it('places none whose caller may have been answered by then, and its neighbours all the same', async () => {
		const one = intake();
		const late = { ...request('key-late'), isInTime: () => false };
		const placed = await Promise.all([one.place(request('key-1')), one.place(late), one.place(request(null))]);
		expect(placed.map(({ kind }) => kind)).toEqual(['created', 'failed', 'created']);
		expect(placed[1]).toMatchObject({ error: { code: 503, type: 'CALL_TOO_LATE' } });
		expect(await count('orders')).toBe(2);
		expect(await one.place(request('key-late'))).toMatchObject({ kind: 'created' }); // the key is free
	});

	it('makes one order of one key, however many ask at once, in one process or in two', async () => {
		const processes = [intake(), intake()];
		const placed = await Promise.all(
			Array.from({ length: 60 }, (_, place) => processes[place % 2]?.place(request('the-key'))),
		);
		const kinds = placed.map((answer) => answer?.kind);
		expect(kinds.filter((kind) => kind === 'created')).toHaveLength(1);
		expect(kinds.filter((kind) => kind === 'replayed')).toHaveLength(59);
		expect(new Set(placed.map((answer) => (answer === undefined ? '?' : idOf(answer)))).size).toBe(1);
		expect(await count('orders')).toBe(1);
	});

	it('refuses a key that comes with another body, and keeps callers apart', async () => {
		const one = intake();
		expect(await one.place(request('k'))).toMatchObject({ kind: 'created' });
		expect(await one.place(request('k', { fingerprint: 'other' }))).toEqual({ kind: 'key-reused' });
		expect(await one.place(request('k', { owner: 'somebody else' }))).toMatchObject({ kind: 'created' });
		expect(await count('orders')).toBe(2);
	});

	it('finds the answer that another transaction stored after the key was looked for', async () => {
		let lock = (): void => {};
		const isLocked = new Promise<void>((resolve) => {
			lock = resolve;
		});
		const stranger = database.open().transaction('orders.create', async (tx) => {
			await tx.query({ name: 'hold', text: 'LOCK TABLE orders IN SHARE MODE', values: [] });
			lock();
			await until(async () => {
				const waiting = await database.query(
					`SELECT FROM pg_locks WHERE relation = 'orders'::regclass AND NOT granted`,
				);
				return waiting.length > 0;
			});
			tx.write({
				name: 'store',
				text: `INSERT INTO idempotency_keys VALUES ('tester', 'k', 'same', gen_random_uuid(), '{"id":"theirs"}', now())`,
				values: [],
			});
		});
		await isLocked;
		const placed = await Promise.all([intake().place(request('k')), stranger]);
		expect(placed[0]).toEqual({ kind: 'replayed', answer: { id: 'theirs' } });
		expect(await count('orders')).toBe(0);
	});

	it('waits alone for a key that a stranger holds, while its neighbours go on; then says so', async () => {
		const one = intake();
		let release = (): void => {};
		const held = new Promise<void>((resolve) => {
			release = resolve;
		});
		let taken = (): void => {};
		const isTaken = new Promise<void>((resolve) => {
			taken = resolve;
		});
		const stranger = database.open().transaction('orders.create', async (tx) => {
			await tx.query({
				name: 'hold',
				text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 5300))',
				values: ['tester\nheld'],
			});
			taken();
			await held;
		});
		await isTaken;
		const begin = performance.now();
		const waiting = one.place(request('held'));
		// Its looks take twice as long, and it waits no longer, so there are fewer.
		let looks = 0;
		const slow = new Intake<Answer>(
			{
				transaction: async (name, work) => {
					looks += 1;
					await sleep(25);
					return database.database.transaction(name, work);
				},
			},
			{ stored: () => {} },
		);
		const slowly = slow.place(request('held')).then((placed) => [placed, performance.now() - begin] as const);
		const neighbours = await Promise.all(Array.from({ length: 20 }, (_, place) => one.place(request(`free-${place}`))));
		const [placed, [placedSlowly, took]] = await Promise.all([waiting, slowly]);
		release();
		await stranger;
		expect(neighbours.every(({ kind }) => kind === 'created')).toBe(true);
		expect([placed, placedSlowly]).toEqual([{ kind: 'in-progress' }, { kind: 'in-progress' }]);
		expect(took).toBeGreaterThan(4_900);
		expect(looks).toBeLessThanOrEqual(5_000 / 50 + 1);
		expect(await one.place(request('held'))).toMatchObject({ kind: 'created' });
	});
});
