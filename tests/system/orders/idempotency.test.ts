/** `Idempotency-Key` over HTTP, on the real system: what counts as the same request, and what its answer is. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database, { CANCELLATION_WINDOW: '1h' });
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

let keys = 0;
const newKey = (): string => `key-${++keys}`;

interface Answer {
	readonly status: number;
	readonly location: string | null;
	readonly replayed: string | null;
	readonly text: string;
}

async function create(body: string, key?: string, url = application.url): Promise<Answer> {
	const headers = { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) };
	const res = await fetch(`${url}/orders`, { method: 'POST', headers, body });
	return {
		status: res.status,
		location: res.headers.get('location'),
		replayed: res.headers.get('idempotent-replayed'),
		text: await res.text(),
	};
}

const idOf = ({ text }: Answer): string => (JSON.parse(text) as { id: string }).id;
const orders = async (): Promise<number> =>
	Number((await database.query<{ n: bigint }>('SELECT count(*) AS n FROM orders'))[0]?.n);
const TEA = '{"productName":"Tea","amount":19.90}';

it('the first answer comes again byte for byte, whatever the order is by now', async () => {
	const key = newKey();
	const first = await create('{"productName":"Tea","amount":19.90,"cancellationWindow":"1s"}', key);
	expect([first.status, first.replayed]).toEqual([201, null]);
	const shipped = async (): Promise<boolean> =>
		(await (await fetch(`${application.url}${first.location}`)).text()).includes('"status":"Shipped"');
	await until(shipped, 'the order is shipped');
	const again = await create('{"productName":"Tea","amount":19.90,"cancellationWindow":"1s"}', key);
	expect(again).toEqual({ ...first, replayed: 'true' });
});

describe('the same request', () => {
	const ALL =
		'{"productName":"Tea","amount":19.90,"currency":"EUR","cancellationWindow":"90s","paymentMethod":"card_ok"}';

	it.each<[string, string, string]>([
		['in another order', TEA, '{"amount":19.90,"productName":"Tea"}'],
		['with white space', TEA, ` {\n\t"productName" : "Tea",\r\n"amount": 19.90 } `],
		['in other words', TEA, '{"product\\u004eame":"\\u0054ea","amount":1990e-2}'],
		['with white space around the name', TEA, '{"productName":"  Tea\\t","amount":19.90}'],
		['with the amount as few digits', TEA, '{"productName":"Tea","amount":19.9}'],
		['with all its fields', ALL, ALL.replace('90s', '1.5m')],
	])('%s', async (_name, one, other) => {
		const key = newKey();
		const first = await create(one, key);
		expect(await create(other, key)).toMatchObject({ status: 201, replayed: 'true', text: first.text });
	});

	it.each<[string, string, string]>([
		['amount', TEA, '{"productName":"Tea","amount":19.91}'],
		['name', TEA, '{"productName":"tea","amount":19.90}'],
		[
			'currency',
			'{"productName":"Tea","amount":1,"currency":"EUR"}',
			'{"productName":"Tea","amount":1,"currency":"CHF"}',
		],
		// Defaults are not filled in before: another installation of the same may have others.
		['currency, the default spelt out', TEA, '{"productName":"Tea","amount":19.90,"currency":"USD"}'],
		['window, the default spelt out', TEA, '{"productName":"Tea","amount":19.90,"cancellationWindow":"1h"}'],
		['card, the default spelt out', TEA, '{"productName":"Tea","amount":19.90,"paymentMethod":"card_ok"}'],
	])('is not one with another %s', async (_name, one, other) => {
		const key = newKey();
		await create(one, key);
		const before = await orders();
		const { status, text } = await create(other, key);
		expect([status, JSON.parse(text)]).toMatchObject([422, { code: 'Idempotency.KeyReused' }]);
		expect(await orders()).toBe(before);
	});

	it('stays it where other defaults are set', async () => {
		const key = newKey();
		const first = await create(TEA, key);
		const other = await startTestApplication(database, { CANCELLATION_WINDOW: '2h', DEFAULT_CURRENCY: 'JPY' });
		try {
			expect(await create(TEA, key, other.url)).toMatchObject({ status: 201, replayed: 'true', text: first.text });
			// The yen has no decimals: as a new order it is refused.
			expect(await create(TEA, newKey(), other.url)).toMatchObject({ status: 422 });
		} finally {
			await other.stop();
		}
	});
});

it.each<[string, string, number]>([
	['a field that is not valid', '{"productName":"","amount":1}', 422],
	['too many decimals', '{"productName":"Tea","amount":1.000}', 422],
	['an amount that is a text', '{"productName":"Tea","amount":"1"}', 422],
	['a field that nobody knows', '{"productName":"Tea","amount":1,"gift":true}', 422],
	['JSON that ends early', '{"productName":"Tea"', 400],
])('a request that is refused for %s leaves its key free', async (_name, body, status) => {
	const key = newKey();
	expect((await create(body, key)).status).toBe(status);
	expect((await create(body, key)).status).toBe(status);
	expect(await create(TEA, key)).toMatchObject({ status: 201, replayed: null });
	const [row] = await database.query<{ n: bigint }>(`SELECT count(*) AS n FROM idempotency_keys WHERE key = '${key}'`);
	expect(row?.n).toBe(1n);
});

it('many at once with one key make one order, and all have its answer', async () => {
	const key = newKey();
	const before = await orders();
	const answers = await Promise.all(Array.from({ length: 20 }, () => create(TEA, key)));
	expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
	expect(answers.filter(({ replayed }) => replayed === null)).toHaveLength(1);
	expect(await orders()).toBe(before + 1);
});

it('without a key each request is an order', async () => {
	expect(idOf(await create(TEA))).not.toBe(idOf(await create(TEA)));
});

describe('an amount', () => {
	it.each<[string, string, string]>([
		['999999999999.99', 'USD', '999999999999.99'],
		['19.90', 'USD', '19.9'],
		['1e2', 'USD', '100'],
		['0.1e1', 'USD', '1'],
		['1.000', 'KWD', '1'],
		['0.001', 'KWD', '0.001'],
		['0.0001', 'CLF', '0.0001'],
		['7', 'JPY', '7'],
		['0.07', 'USD', '0.07'],
		['8.1e-1', 'EUR', '0.81'],
	])('%s %s is kept and answered as %s', async (amount, currency, written) => {
		const { status, text } = await create(`{"productName":"Tea","amount":${amount},"currency":"${currency}"}`);
		expect([status, /"amount":([^,]+),/.exec(text)?.[1]]).toEqual([201, written]);
	});

	it.each<[string, string]>([
		['1.000', 'USD'],
		['1.0', 'JPY'],
		['1e-3', 'USD'],
		['0', 'USD'],
		['-1', 'USD'],
		['0.004', 'USD'],
		['1000000000000', 'USD'],
		['999999999999.991', 'KWD'],
		['1e400', 'USD'],
		['1', 'XAU'],
		['1', 'usd'],
	])('%s %s is refused', async (amount, currency) => {
		const { status, text } = await create(`{"productName":"Tea","amount":${amount},"currency":"${currency}"}`);
		const pointer = amount === '1' ? '#/currency' : '#/amount';
		expect([status, JSON.parse(text)]).toMatchObject([422, { code: 'Validation.Failed', errors: [{ pointer }] }]);
	});
});
