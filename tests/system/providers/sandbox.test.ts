import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type {
	Finding,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
} from '../../../domain/provider.ts';
import { DAY, SECOND } from '../../../domain/time.ts';
import { SANDBOX_PAGES, SandboxProvider } from '../../../mixins/providers/sandbox/index.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';

let server: TestDatabase;
/** Two processes' views of the one provider. */
let sandbox: SandboxProvider;
let another: SandboxProvider;

beforeAll(async () => {
	server = await startTestDatabase();
	sandbox = new SandboxProvider(server.database);
	another = new SandboxProvider(server.open());
}, 120_000);
afterAll(() => server?.stop(), 60_000);
beforeEach(() => server.reset());

const { signal } = new AbortController();

/** One order, paid with a card. */
class Paying {
	readonly orderId = newId(Date.now());
	readonly #card: string;

	constructor(card: string) {
		this.#card = card;
	}

	request(operation: ProviderOperation, amount = 1990n, key: string = operation): PaymentRequest {
		return {
			...{ orderId: this.orderId, idempotencyKey: `${this.orderId}:${key}`, keyUsedAt: 0, version: 1 },
			...{ amount: { minor: amount, currency: 'EUR' }, paymentMethod: this.#card, reference: null },
			refund: operation === 'refund' ? { id: key, reference: null } : null,
		};
	}

	does(operation: ProviderOperation, amount?: bigint, key?: string): Promise<ProviderOutcome> {
		return sandbox[operation](this.request(operation, amount, key), signal);
	}

	finds(operation: ProviderOperation, key?: string): Promise<Finding> {
		return another.find(operation, this.request(operation, undefined, key), signal);
	}

	/** The rows of `sandbox_operations` as `operation amount outcome`. */
	async journal(): Promise<string[]> {
		const rows = await server.query<{ operation: string; amount: bigint; outcome: string }>(
			'SELECT operation, amount, outcome FROM sandbox_operations WHERE order_id = $1 ORDER BY created_at',
			[this.orderId],
		);
		return rows.map(({ operation, amount, outcome }) => `${operation} ${amount} ${outcome}`);
	}

	/** The page that the buyer is sent to. */
	async page(): Promise<string> {
		const found = await this.finds('authorize');
		if (found.kind !== 'actionRequired') throw new Error(`the buyer is not asked: ${found.kind}`);
		return (found.action.url ?? '').replace(SANDBOX_PAGES, '');
	}

	/** As if it had been authorised so much earlier. */
	async ages(by: number): Promise<void> {
		await server.query(
			`UPDATE sandbox_operations SET created_at = created_at - $2 * interval '1 ms' WHERE order_id = $1`,
			[this.orderId, by],
		);
	}
}

const listed = async (): Promise<ProviderPayment[]> => {
	const now = await server.now();
	const found: ProviderPayment[] = [];
	for await (const payment of sandbox.list(now - DAY, now + SECOND, signal)) found.push(payment);
	return found;
};

describe('card_ok', () => {
	it('is held for seven days, captured and given back in parts, each once', async () => {
		const order = new Paying('card_ok');
		expect(await order.finds('authorize')).toEqual({ kind: 'notFound' });
		expect(await order.finds('capture')).toEqual({ kind: 'notFound' });
		const before = await server.now();
		const held = await order.does('authorize');
		expect(held).toMatchObject({ kind: 'succeeded', reference: `auth_${order.orderId}` });
		const until = held.kind === 'succeeded' ? Number(held.captureBefore) : Number.NaN;
		expect(until).toBeGreaterThanOrEqual(before + 7 * DAY);
		expect(until).toBeLessThanOrEqual((await server.now()) + 7 * DAY + 1);
		expect(await order.finds('authorize')).toEqual(held);
		expect(await order.does('authorize')).toEqual({ ...held, remembered: true });
		expect(await order.finds('capture')).toEqual({ kind: 'notDone' });
		expect(await order.finds('void')).toEqual({ kind: 'notDone' });

		expect(await order.does('capture', 1500n)).toEqual({ kind: 'succeeded', reference: null });
		expect(await order.finds('capture')).toMatchObject({ kind: 'succeeded' });
		expect(await order.finds('authorize')).toEqual(held);
		expect(await order.finds('refund', 'r1')).toEqual({ kind: 'notDone' });
		const first = await order.does('refund', 1000n, 'r1');
		expect(first).toMatchObject({ kind: 'succeeded', reference: expect.stringContaining('r1') });
		expect(await order.does('refund', 1000n, 'r1')).toEqual({ ...first, remembered: true });
		expect(await order.does('refund', 501n, 'r2')).toMatchObject({ kind: 'refused' });
		expect(await order.does('refund', 500n, 'r3')).toMatchObject({ kind: 'succeeded' });
		expect(await order.finds('refund', 'r1')).toEqual(first);
		expect(await order.finds('refund', 'r2')).toMatchObject({ kind: 'refused' });
		expect(await order.journal()).toEqual([
			'authorize 1990 succeeded',
			'capture 1500 succeeded',
			'refund 1000 succeeded',
			'refund 501 refused',
			'refund 500 succeeded',
		]);
		expect(await server.query('SELECT FROM sandbox_memory')).toEqual([]);
		expect(await listed()).toEqual([
			{
				...{ orderId: order.orderId, reference: `auth_${order.orderId}`, createdAt: expect.any(Number) },
				...{ currency: 'EUR', held: 0n, captured: 1500n, refunded: 1500n, waits: false },
			},
		]);
	});

	it('is not captured above what is held, and not after it was released', async () => {
		const order = new Paying('card_ok');
		expect(await order.does('capture')).toMatchObject({ kind: 'refused' });
		await order.does('authorize');
		expect(await order.does('capture', 1991n, 'much')).toMatchObject({ kind: 'refused' });
		expect(await order.does('void', 1000n)).toEqual({ kind: 'succeeded', reference: null });
		expect(await order.does('capture', 1990n, 'late')).toMatchObject({ kind: 'gone' });
		expect(await order.does('capture', 1990n, 'late')).toMatchObject({ kind: 'gone', remembered: true });
		expect(await order.does('capture', 1991n, 'much')).toMatchObject({ kind: 'refused', remembered: true });
		expect(await order.does('void', 1990n, 'again')).toMatchObject({ kind: 'gone' });
		expect(await order.finds('authorize')).toMatchObject({ kind: 'gone' });
		expect(await order.finds('void')).toMatchObject({ kind: 'succeeded' });
		expect((await order.journal()).filter((row) => row.endsWith('succeeded'))).toEqual([
			'authorize 1990 succeeded',
			'void 1990 succeeded',
		]);
	});

	it('gives no answer of one request to another with the same key', async () => {
		const [order, other] = [new Paying('card_ok'), new Paying('card_ok')];
		await order.does('authorize');
		expect(await order.does('authorize', 1n)).toMatchObject({ kind: 'unknown' });
		expect(await order.does('capture', 1990n, 'authorize')).toMatchObject({ kind: 'unknown' });
		const theirs = { ...other.request('authorize'), idempotencyKey: order.request('authorize').idempotencyKey };
		expect(await sandbox.authorize(theirs, signal)).toMatchObject({ kind: 'unknown' });
		expect(await other.finds('authorize')).toEqual({ kind: 'notFound' });
	});

	it('is done once by calls with one key that come at once, and each of them is told', async () => {
		const order = new Paying('card_ok');
		const request = order.request('authorize');
		const calls = Array.from({ length: 20 }, (_, n) => (n % 2 ? sandbox : another).authorize(request, signal));
		const answers = await Promise.all(calls);
		expect(new Set(answers.map((one) => (one.kind === 'succeeded' ? one.captureBefore : one.kind))).size).toBe(1);
		expect(await order.journal()).toEqual(['authorize 1990 succeeded']);
	});

	it('never gives back more than was taken, however many refunds come at once', async () => {
		const order = new Paying('card_ok');
		await order.does('authorize');
		await order.does('capture');
		const calls = Array.from({ length: 50 }, (_, n) =>
			(n % 2 ? sandbox : another).refund(order.request('refund', 100n, `r${n}`), signal),
		);
		const kinds = (await Promise.all(calls)).map(({ kind }) => kind);
		expect(kinds.filter((kind) => kind === 'succeeded')).toHaveLength(19);
		expect(kinds.filter((kind) => kind === 'refused')).toHaveLength(31);
	});
});

it('card_declined: declined, and nothing is left to do', async () => {
	const order = new Paying('card_declined');
	const declined = await order.does('authorize');
	expect(declined).toMatchObject({ kind: 'declined' });
	expect(await order.finds('authorize')).toEqual(declined);
	expect(await order.does('capture')).toMatchObject({ kind: 'gone' });
	expect(await order.finds('void')).toMatchObject({ kind: 'gone' });
	expect(await order.journal()).toEqual(['authorize 1990 declined', 'capture 1990 refused']);
	expect(await listed()).toMatchObject([{ held: 0n, waits: false }]);
});

it('card_capture_refused: the capture is refused for good, and the money can be released', async () => {
	const order = new Paying('card_capture_refused');
	await order.does('authorize');
	const refused = await order.does('capture');
	expect(refused).toMatchObject({ kind: 'refused' });
	expect(await order.finds('capture')).toEqual(refused);
	expect(await listed()).toMatchObject([{ held: 1990n }]);
	expect(await order.does('void')).toMatchObject({ kind: 'succeeded' });
	expect(await order.finds('capture')).toEqual(refused);
	expect(await order.journal()).toEqual(['authorize 1990 succeeded', 'capture 1990 refused', 'void 1990 succeeded']);
});

it('card_flaky: does it, times out, and answers when it is asked again; refunds have no such trouble', async () => {
	const order = new Paying('card_flaky');
	for (const operation of ['authorize', 'capture'] as const) {
		await expect(order.does(operation)).rejects.toThrow('timed out');
		expect(await order.finds(operation)).toMatchObject({ kind: 'succeeded' });
		expect(await order.does(operation)).toMatchObject({ kind: 'succeeded', remembered: true });
	}
	expect(await order.does('refund')).toMatchObject({ kind: 'succeeded' });
});

describe('card_authentication', () => {
	it('holds nothing before the buyer has answered, and all afterwards', async () => {
		const order = new Paying('card_authentication');
		const waits = await order.does('authorize');
		expect(waits).toEqual({
			...{ kind: 'actionRequired', reference: `auth_${order.orderId}` },
			action: {
				type: 'redirect',
				url: expect.stringMatching(/^\/sandbox\/payments\/[0-9a-f-]{36}$/),
				clientSecret: null,
			},
		});
		expect(await order.does('authorize')).toEqual({ ...waits, remembered: true });
		expect(await order.finds('authorize')).toEqual(waits);
		expect(await order.finds('capture')).toEqual({ kind: 'notDone' });
		expect(await order.journal()).toEqual([]);
		expect(await listed()).toMatchObject([{ held: 0n, waits: true, currency: 'EUR' }]);

		const page = await order.page();
		expect(await sandbox.question(page)).toMatchObject({ amount: 1990n, currency: 'EUR', endedAs: null });
		const before = await server.now();
		expect(await another.answer(page, 'succeeded')).toMatchObject({ orderId: order.orderId, counts: true });
		expect(await sandbox.answer(page, 'failed')).toMatchObject({ orderId: order.orderId, counts: false });
		const held = await order.finds('authorize');
		expect(held).toMatchObject({ kind: 'succeeded', reference: `auth_${order.orderId}` });
		expect(held.kind === 'succeeded' && Number(held.captureBefore)).toBeGreaterThanOrEqual(before + 7 * DAY);
		expect(await listed()).toMatchObject([{ held: 1990n, waits: false }]);
		expect(await order.does('capture', 1000n)).toMatchObject({ kind: 'succeeded' });
		expect(await order.journal()).toEqual(['authorize 1990 succeeded', 'capture 1000 succeeded']);
	});

	it('is declined where the buyer says no', async () => {
		const order = new Paying('card_authentication');
		await order.does('authorize');
		const page = await order.page();
		expect(await sandbox.answer(page, 'failed')).toMatchObject({ counts: true });
		expect(await order.finds('authorize')).toMatchObject({ kind: 'declined' });
		expect(await sandbox.answer(page, 'succeeded')).toMatchObject({ counts: false });
		expect(await order.journal()).toEqual(['authorize 1990 declined']);
	});

	it('cannot be answered once it was cancelled', async () => {
		const order = new Paying('card_authentication');
		await order.does('authorize');
		const page = await order.page();
		expect(await order.does('void')).toMatchObject({ kind: 'succeeded' });
		expect(await sandbox.answer(page, 'succeeded')).toMatchObject({ counts: false });
		expect(await sandbox.question(page)).toMatchObject({ endedAs: 'cancelled' });
		expect(await order.finds('authorize')).toMatchObject({ kind: 'gone' });
		expect(await order.journal()).toEqual(['void 1990 succeeded']);
	});

	it('ends one way where the answer and a void come at once, with any card', async () => {
		const orders = Array.from({ length: 20 }, () => new Paying('card_authentication'));
		await Promise.all(orders.map((order) => order.does('authorize')));
		const ends = orders.map(async (order) => {
			const page = await order.page();
			const [answer, ended] = await Promise.all([
				another.answer(page, 'succeeded'),
				sandbox.void({ ...order.request('void'), paymentMethod: 'card_ok' }, signal),
			]);
			expect(ended.kind).toBe('succeeded');
			const journal = await order.journal();
			expect(journal).toEqual(
				answer?.counts ? ['authorize 1990 succeeded', 'void 1990 succeeded'] : ['void 1990 succeeded'],
			);
		});
		await Promise.all(ends);
	});

	it('knows no other page', async () => {
		expect(await sandbox.answer(newId(0), 'succeeded')).toBeUndefined();
		expect(await sandbox.question(newId(0))).toBeUndefined();
	});
});

it.each(['capture', 'void'] as const)(
	'card_remembered_error: the first %s does nothing, its key answers an error for ever, and the next key works',
	async (operation) => {
		const order = new Paying('card_remembered_error');
		await order.does('authorize');
		const error = await order.does(operation);
		expect(error).toMatchObject({ kind: 'unknown', remembered: false });
		expect(await order.finds(operation)).toEqual({ kind: 'notDone' });
		expect(await order.does(operation)).toEqual({ ...error, remembered: true });
		expect(await order.journal()).toEqual(['authorize 1990 succeeded']);
		expect(await order.does(operation, 1990n, `${operation}:2`)).toMatchObject({ kind: 'succeeded' });
		expect(await order.does(operation)).toEqual({ ...error, remembered: true });
		expect(await order.finds(operation)).toMatchObject({ kind: 'succeeded' });
		expect(await order.journal()).toEqual(['authorize 1990 succeeded', `${operation} 1990 succeeded`]);
	},
);

it('card_remembered_error: two keys at once in two processes do one thing', async () => {
	const order = new Paying('card_remembered_error');
	await order.does('authorize');
	await order.does('capture');
	const calls = [2, 3, 4, 5].map((n) =>
		(n % 2 ? sandbox : another).capture(order.request('capture', 1990n, `capture:${n}`), signal),
	);
	const kinds = (await Promise.all(calls)).map(({ kind }) => kind).sort();
	expect(kinds).toEqual(['refused', 'refused', 'refused', 'succeeded']);
});

describe('card_short_hold', () => {
	it('lapses after 20 s, and is then neither captured nor released', async () => {
		const order = new Paying('card_short_hold');
		const before = await server.now();
		const held = await order.does('authorize');
		const until = held.kind === 'succeeded' ? Number(held.captureBefore) : Number.NaN;
		expect(until).toBeGreaterThanOrEqual(before + 20 * SECOND);
		expect(until).toBeLessThanOrEqual((await server.now()) + 20 * SECOND + 1);
		expect(await order.finds('authorize')).toEqual(held);
		expect(await listed()).toMatchObject([{ held: 1990n }]);
		await order.ages(20 * SECOND);
		expect(await order.finds('authorize')).toMatchObject({ kind: 'gone' });
		expect(await order.does('capture')).toMatchObject({ kind: 'gone' });
		expect(await order.finds('capture')).toMatchObject({ kind: 'gone' });
		expect(await order.does('void')).toMatchObject({ kind: 'gone' });
		expect(await order.finds('void')).toMatchObject({ kind: 'gone' });
		expect(await listed()).toMatchObject([{ held: 0n, captured: 0n }]);
		expect(await order.journal()).toEqual(['authorize 1990 succeeded', 'capture 1990 refused', 'void 1990 refused']);
	});

	it('is captured before that, and then given back at any time', async () => {
		const order = new Paying('card_short_hold');
		await order.does('authorize');
		expect(await order.does('capture')).toMatchObject({ kind: 'succeeded' });
		await order.ages(60 * SECOND);
		expect(await order.does('refund')).toMatchObject({ kind: 'succeeded' });
	});
});

it('lists every payment of a time once, also where more were created than are read at once', async () => {
	const orders = Array.from({ length: 1_100 }, (_, n) => new Paying(n % 100 ? 'card_ok' : 'card_authentication'));
	const old = new Paying('card_ok');
	await Promise.all([...orders, old].map((order) => order.does('authorize')));
	await old.ages(2 * DAY);
	const found = await listed();
	expect(found.map(({ orderId }) => orderId).sort()).toEqual(orders.map(({ orderId }) => orderId).sort());
	expect(found.filter(({ waits }) => waits)).toHaveLength(11);
});
