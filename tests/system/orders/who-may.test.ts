/** Who may do what: every route for every kind of caller, over HTTP, on the real system; and the same rule without HTTP. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Application } from '../../../bin/application.ts';
import { startTestApplication } from '../../support/application.ts';
import type { OrderView } from '../../support/client.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { SECRET, seconds, secretToken, unsignedToken } from '../../support/issuer.ts';
import { until } from '../../support/until.ts';

const ENV = {
	AUTH: 'jwt',
	AUTH_JWT_SECRET: SECRET,
	AUTH_ISSUER: 'https://id.example',
	AUTH_AUDIENCE: 'orders',
	CANCELLATION_WINDOW: '1h',
};
const CLAIMS = { iss: 'https://id.example', aud: 'orders' };
const ADMIN_SCOPE = { scope: 'orders:admin' };

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database, ENV);
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

const tokenOf = (claims: Readonly<Record<string, unknown>>): Promise<string> => secretToken({ ...CLAIMS, ...claims });
const alice = (): Promise<string> => tokenOf({ sub: 'alice' });
const bob = (): Promise<string> => tokenOf({ sub: 'bob' });
const admin = (): Promise<string> => tokenOf({ sub: 'root', ...ADMIN_SCOPE });

async function ask(token: string | undefined, method: string, path: string, body?: object): Promise<Response> {
	return fetch(`${application.url}${path}`, {
		method,
		headers: {
			...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
			...(body === undefined ? {} : { 'content-type': 'application/json' }),
		},
		body: body === undefined ? null : JSON.stringify(body),
	});
}

const BOOK = { productName: 'book', amount: 1 };

async function orderOf(token: string, body: object = BOOK): Promise<OrderView> {
	const res = await ask(token, 'POST', '/orders', body);
	expect(res.status).toBe(201);
	return (await res.json()) as OrderView;
}

async function idsOf(token: string, query = ''): Promise<string[]> {
	const ids: string[] = [];
	for (let cursor: string | null = ''; cursor !== null; ) {
		const more: string = cursor === '' ? '' : `&cursor=${cursor}`;
		const res = await ask(token, 'GET', `/orders?limit=2${query}${more}`);
		expect(res.status).toBe(200);
		const page = (await res.json()) as { data: OrderView[]; nextCursor: string | null };
		ids.push(...page.data.map(({ id }) => id));
		cursor = page.nextCursor;
	}
	return ids;
}

/** What was done to an order; its payment goes on meanwhile. */
async function storyOf(token: string, id: string): Promise<string[]> {
	const res = await ask(token, 'GET', `/orders/${id}/history`);
	const { data } = (await res.json()) as { data: { type: string }[] };
	return data.map(({ type }) => type).filter((type) => type.startsWith('Order'));
}

/** A route, and what an order has to have gone through before it. */
const ROUTES = [
	['POST', '', []],
	['GET', '', []],
	['GET', '/{id}', []],
	['GET', '/{id}/history', []],
	['POST', '/{id}/hold', []],
	['POST', '/{id}/resume', ['hold']],
	['POST', '/{id}/cancel', []],
	['PATCH', '/{id}', []],
	['GET', '/{id}/refunds', []],
] as const;

type Statuses = readonly [
	post: number,
	list: number,
	get: number,
	history: number,
	hold: number,
	resume: number,
	cancel: number,
	amend: number,
	refunds: number,
];

const NOBODY: Statuses = [401, 401, 401, 401, 401, 401, 401, 401, 401];
const STRANGER: Statuses = [201, 200, 404, 404, 404, 404, 404, 404, 404];
const OWNER: Statuses = [201, 200, 200, 200, 200, 200, 202, 200, 200];

/** Each kind of caller against each route, on an order of alice's. */
const CALLERS: readonly (readonly [string, () => Promise<string> | string | undefined, Statuses, string?])[] = [
	['no token', () => undefined, NOBODY, 'Auth.TokenMissing'],
	["alice's, expired", () => tokenOf({ sub: 'alice', exp: seconds(-60) }), NOBODY, 'Auth.TokenExpired'],
	["alice's, for ever", () => tokenOf({ sub: 'alice', exp: undefined }), NOBODY, 'Auth.TokenInvalid'],
	["alice's, of another issuer", () => tokenOf({ sub: 'alice', iss: 'https://id' }), NOBODY, 'Auth.TokenInvalid'],
	["alice's, for others", () => tokenOf({ sub: 'alice', aud: 'mail' }), NOBODY, 'Auth.TokenInvalid'],
	[
		"alice's, of another algorithm",
		() => secretToken({ ...CLAIMS, sub: 'alice' }, 'HS384'),
		NOBODY,
		'Auth.TokenInvalid',
	],
	[
		"alice's, of another secret",
		() => secretToken({ ...CLAIMS, sub: 'alice' }, 'HS256', `${SECRET}!`),
		NOBODY,
		'Auth.TokenInvalid',
	],
	["alice's, unsigned", () => unsignedToken({ ...CLAIMS, sub: 'alice' }), NOBODY, 'Auth.TokenInvalid'],
	['an admin, unsigned', () => unsignedToken({ ...CLAIMS, sub: 'root', ...ADMIN_SCOPE }), NOBODY, 'Auth.TokenInvalid'],
	['the operator, from outside', () => tokenOf({ sub: 'operator' }), NOBODY, 'Auth.TokenInvalid'],
	['nobody, from outside', () => tokenOf({ sub: 'anonymous' }), NOBODY, 'Auth.TokenInvalid'],
	['another customer', bob, STRANGER, 'Orders.NotFound'],
	['another customer, nearly of the same name', () => tokenOf({ sub: 'Alice' }), STRANGER, 'Orders.NotFound'],
	[
		'another customer with other scopes',
		() => tokenOf({ sub: 'bob', scope: 'orders admin orders:admin2' }),
		STRANGER,
		'Orders.NotFound',
	],
	['the owner', alice, OWNER],
	['the owner, with other scopes', () => tokenOf({ sub: 'alice', scope: 'openid' }), OWNER],
	['an admin', admin, OWNER],
];

describe.each(CALLERS)('%s', (_name, token, statuses, code) => {
	it.each(ROUTES.map(([method, path, before], index) => [method, path, statuses[index], before] as const))(
		'%s /orders%s → %i',
		async (method, path, status, before) => {
			const owner = await alice();
			const { id } = await orderOf(owner);
			for (const command of before) await ask(owner, 'POST', `/orders/${id}/${command}`);
			const untouched = await storyOf(owner, id);
			const res = await ask(
				await token(),
				method,
				`/orders${path.replace('{id}', id)}`,
				path === '' && method === 'POST' ? BOOK : method === 'PATCH' ? { amount: 0.5 } : undefined,
			);
			expect(res.status).toBe(status);
			if (status === 401) expect(res.headers.get('www-authenticate')).toMatch(/^Bearer /);
			if (status !== undefined && status < 400) return;
			expect(await res.json()).toMatchObject({ code });
			expect(await storyOf(owner, id)).toEqual(untouched);
		},
	);
});

it.each<Record<string, string>>([
	{ 'if-none-match': '*' },
	{ prefer: 'wait=1' },
	{ 'if-none-match': '*', prefer: 'wait=1' },
])('a condition or a wait tells a stranger nothing: %j', async (headers) => {
	const { id } = await orderOf(await alice());
	const authorization = `Bearer ${await bob()}`;
	const res = await fetch(`${application.url}/orders/${id}`, { headers: { ...headers, authorization } });
	expect([res.status, res.headers.get('etag')]).toEqual([404, null]);
	expect(await res.json()).toMatchObject({ code: 'Orders.NotFound' });
});

describe('a list', () => {
	it('holds the orders of the caller alone, on every page and in every state; an admin sees all', async () => {
		const [carol, dave] = [await tokenOf({ sub: 'carol' }), await tokenOf({ sub: 'dave' })];
		const orders: { readonly id: string; readonly by: string }[] = [];
		for (let count = 0; count < 10; count += 1) {
			const by = count % 2 === 0 ? carol : dave;
			const { id } = await orderOf(by);
			if (count < 4) await ask(by, 'POST', `/orders/${id}/hold`);
			orders.push({ id, by });
		}
		const newestFirst = (by: string, from: number, to: number): string[] =>
			orders
				.slice(from, to)
				.flatMap((order) => (order.by === by ? [order.id] : []))
				.reverse();
		for (const by of [carol, dave]) {
			expect(await idsOf(by)).toEqual(newestFirst(by, 0, 10));
			expect(await idsOf(by, '&status=OnHold')).toEqual(newestFirst(by, 0, 4));
			expect(await idsOf(by, '&status=Pending')).toEqual(newestFirst(by, 4, 10));
			expect(await idsOf(by, '&status=Shipped')).toEqual([]);
		}
		expect(await idsOf(await admin())).toEqual(expect.arrayContaining(orders.map(({ id }) => id)));
		expect(await idsOf(await tokenOf({ sub: 'nobody yet' }))).toEqual([]);
		// The place of another's order is a place to go on from, and tells nothing.
		const cursor = Buffer.from(newestFirst(dave, 0, 10)[0] ?? '').toString('base64url');
		const page = await ask(carol, 'GET', `/orders?cursor=${cursor}`);
		expect(((await page.json()) as { data: OrderView[] }).data.map(({ id }) => id)).toEqual(newestFirst(carol, 0, 10));
	});

	it('of one owner among many is read through its index', async () => {
		await database.query(`
			INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
				created_at, pending_until, sequence, sweep_at)
			SELECT gen_random_uuid(), 'owner ' || n % 2000, 'book', 100, 'USD', 'card_ok', 1000, 'Shipped', now(), now(), 1, NULL
			FROM generate_series(1, 40000) AS n`);
		await database.query('ANALYZE orders');
		const uses = async (): Promise<bigint> => {
			const [row] = await database.query<{ n: bigint }>(
				`SELECT idx_scan AS n FROM pg_stat_user_indexes WHERE indexrelname = 'orders_owner'`,
			);
			return row?.n ?? 0n;
		};
		const before = await uses();
		const token = await tokenOf({ sub: 'owner 7' });
		expect(await idsOf(token)).toHaveLength(20);
		// The server counts an index's uses now and then.
		await until(async () => {
			await idsOf(token, '&status=Shipped');
			return (await uses()) > before;
		}, 'the index was used');
	});
});

it('an idempotency key belongs to its caller', async () => {
	const create = async (token: string): Promise<readonly [number, string | null, OrderView]> => {
		const res = await fetch(`${application.url}/orders`, {
			method: 'POST',
			headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': 'mine' },
			body: JSON.stringify(BOOK),
		});
		return [res.status, res.headers.get('idempotent-replayed'), (await res.json()) as OrderView];
	};
	const [, , hers] = await create(await alice());
	const [status, replayed, his] = await create(await bob());
	expect([status, replayed]).toEqual([201, null]);
	expect(his.id).not.toBe(hers.id);
	// Another token of the same caller is the same caller.
	expect(await create(await tokenOf({ sub: 'alice', exp: seconds(120) }))).toEqual([201, 'true', hers]);
});

describe('without the gateway', () => {
	const params: Readonly<Record<string, object>> = {
		'orders.create': { productName: 'book', amount: '1' },
		'orders.list': {},
		'orders.changes': {},
		'orders.amend': { id: '01a204ea-7a9f-7000-8000-055d243c1f4d', amount: '1' },
	};
	const actions = (): string[] =>
		application.broker.registry.actions
			.list({ onlyLocal: true })
			.map(({ name }: { name: string }) => name)
			.filter((name: string) => name.startsWith('orders.'));

	it.each<[string, object]>([
		['no caller', {}],
		['null', { caller: null }],
		['a name alone', { caller: 'alice' }],
		['no scopes', { caller: { subject: 'alice' } }],
		['an empty name', { caller: { subject: '', scopes: ['orders:admin'] } }],
		['no name', { caller: { scopes: ['orders:admin'] } }],
		['scopes that are no list', { caller: { subject: 'alice', scopes: 'orders:admin' } }],
		['as a user', { user: { subject: 'alice', scopes: ['orders:admin'] } }],
	])('every action of orders refuses a call with %s', async (_name, meta) => {
		const { id } = await orderOf(await alice());
		expect(actions().length).toBeGreaterThanOrEqual(10);
		for (const action of actions()) {
			const call = application.broker.call(action, params[action] ?? { id }, { meta });
			await expect(call).rejects.toMatchObject({ code: 401, type: 'Auth.CallerMissing' });
		}
	});

	it('the same rule holds: a stranger finds nothing, the operator may everything', async () => {
		const { id } = await orderOf(await alice());
		const stranger = { caller: { subject: 'bob', scopes: ['orders'] } };
		const operator = { caller: { subject: 'operator', scopes: ['orders:admin'] } };
		for (const action of ['get', 'history', 'hold', 'resume', 'cancel'].map((name) => `orders.${name}`)) {
			const refused = application.broker.call(action, { id }, { meta: stranger });
			await expect(refused).rejects.toMatchObject({ code: 404, type: 'Orders.NotFound' });
			await application.broker.call(action, { id }, { meta: operator });
		}
	});

	it('money is given back by whoever has the scope, and by nobody else', async () => {
		const { id } = await orderOf(await alice(), { ...BOOK, cancellationWindow: '1s' });
		const by = (subject: string, scopes: string[] = []) => ({ meta: { caller: { subject, scopes } } });
		const refund = (options: object) => application.broker.call('orders.refund', { id }, options);
		// Before it has shipped, and after.
		await expect(refund(by('bob'))).rejects.toMatchObject({ code: 404, type: 'Orders.NotFound' });
		await expect(refund(by('alice'))).rejects.toMatchObject({ code: 403, type: 'Auth.ScopeMissing' });
		await expect(refund(by('root', ['orders:admin']))).rejects.toMatchObject({ type: 'Orders.InvalidState' });
		const status = async (): Promise<string> =>
			((await (await ask(await alice(), 'GET', `/orders/${id}`)).json()) as OrderView).status;
		await until(async () => (await status()) === 'Shipped', 'it has shipped');
		await expect(refund(by('bob'))).rejects.toMatchObject({ code: 404, type: 'Orders.NotFound' });
		const res = await ask(await alice(), 'POST', `/orders/${id}/refunds`);
		expect([res.status, ((await res.json()) as { code: string }).code]).toEqual([403, 'Auth.ScopeMissing']);
		expect((await ask(await admin(), 'POST', `/orders/${id}/refunds`)).status).toBe(201);
		const seen = await ask(await alice(), 'GET', `/orders/${id}/refunds`);
		expect(((await seen.json()) as { data: object[] }).data).toHaveLength(1);
	}, 60_000);

	it('nobody changes an order by sending fields of its own', async () => {
		const token = await bob();
		for (const more of [
			{ owner: 'alice' },
			{ caller: { subject: 'alice', scopes: [] } },
			{ meta: {} },
			{ sub: 'alice' },
		]) {
			expect((await ask(token, 'POST', '/orders', { ...BOOK, ...more })).status).toBe(422);
		}
	});
});
