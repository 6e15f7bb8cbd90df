/** What only the buyer may know, and kills between a webhook and what follows from it: on real processes. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import Stripe from 'stripe';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { SECRET, secretToken } from '../../support/issuer.ts';
import { KEPT_LINES, type Running, System } from '../../support/process.ts';
import type { EventRow } from '../../support/stripe/account.ts';
import { authenticate } from '../../support/stripe/intents.ts';
import { StripeStandIn, TEST_KEY } from '../../support/stripe/stand-in.ts';
import { until } from '../../support/until.ts';

const WEBHOOK_SECRET = 'whsec_of_this_test';
const CARD = 'pm_card_threeDSecure2Required';

let standIn: StripeStandIn;
let system: System;
const processes: Running[] = [];
let owner: string;
let admin: string;
let other: string;

async function start(env: Readonly<Record<string, string>> = {}): Promise<Running> {
	const running = await system.up(env);
	processes.push(running);
	return running;
}

beforeAll(async () => {
	standIn = await StripeStandIn.open();
	system = await System.create({
		...{ PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: TEST_KEY, STRIPE_API_BASE: standIn.url },
		...{ STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET, AUTH: 'jwt', AUTH_JWT_SECRET: SECRET, LOG_LEVEL: 'debug' },
	});
	owner = await secretToken({ sub: 'alice' });
	admin = await secretToken({ sub: 'root', scope: 'orders:admin' });
	other = await secretToken({ sub: 'bob' });
	await start();
}, 90_000);
afterAll(async () => {
	await system.dispose();
	await standIn.close();
});

async function ask(token: string, method: string, path: string, body?: object): Promise<Response> {
	const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) };
	return fetch(`${system.url()}${path}`, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
}

const read = async (token: string, id: string): Promise<OrderDto> =>
	(await (await ask(token, 'GET', `/orders/${id}`)).json()) as OrderDto;

/** An order whose buyer has to act. */
async function waiting(): Promise<OrderDto> {
	const body = { productName: 'Tea', amount: 19.9, paymentMethod: CARD };
	const { id } = (await (await ask(owner, 'POST', '/orders', body)).json()) as OrderDto;
	return until(async () => {
		const order = await read(owner, id);
		return order.paymentStatus === 'ActionRequired' ? order : undefined;
	}, 'the buyer has to act');
}

const intentOf = ({ id }: { readonly id: string }) => {
	const [intent] = standIn.intentsOf(id);
	if (intent === undefined) throw new Error('Stripe has no payment of this order');
	return intent;
};

function authenticated(order: OrderDto): EventRow {
	authenticate(standIn.account, intentOf(order).id, 'succeeded');
	const event = standIn.account.events.findLast(({ type }) => type === 'payment_intent.amount_capturable_updated');
	if (event === undefined) throw new Error('Stripe has told nothing');
	return event;
}

/** The status; 0 without an answer. */
async function post(event: object, secret = WEBHOOK_SECRET): Promise<{ status: number; text: string }> {
	const payload = JSON.stringify(event);
	const headers = { 'stripe-signature': Stripe.webhooks.generateTestHeaderString({ payload, secret }) };
	try {
		const res = await fetch(`${system.url()}/webhooks/stripe`, { method: 'POST', body: payload, headers });
		return { status: res.status, text: await res.text() };
	} catch {
		return { status: 0, text: '' };
	}
}

it('what the buyer has to do is shown to the owner alone', async () => {
	const order = await waiting();
	const { clientSecret } = intentOf(order);
	expect(order.paymentAction).toEqual({ type: 'client_secret', url: null, clientSecret });
	const listed = async (token: string): Promise<OrderDto | undefined> => {
		const page = (await (await ask(token, 'GET', '/orders?limit=100')).json()) as { data: OrderDto[] };
		return page.data.find(({ id }) => id === order.id);
	};
	expect((await listed(owner))?.paymentAction).toEqual(order.paymentAction);
	for (const seen of [await listed(admin), await read(admin, order.id)]) {
		expect(seen).toMatchObject({ id: order.id, paymentStatus: 'ActionRequired', paymentAction: null });
	}
	expect((await ask(other, 'GET', `/orders/${order.id}`)).status).toBe(404);
	expect(await listed(other)).toBeUndefined();
	// Nor does anybody else learn it from a command, the history, the metrics, or a message that is refused.
	const event = authenticated(order);
	expect(JSON.stringify(event)).toContain(clientSecret);
	const said = [
		await (await ask(admin, 'POST', `/orders/${order.id}/hold`)).text(),
		await (await ask(admin, 'POST', `/orders/${order.id}/resume`)).text(),
		await (await ask(owner, 'GET', `/orders/${order.id}/history`)).text(),
		await (await ask(other, 'POST', `/orders/${order.id}/cancel`)).text(),
		await (await ask(admin, 'GET', '/metrics')).text(),
		(await post(event, 'whsec_of_somebody_else')).text,
		(await post({ ...event, livemode: true })).text,
		(await post(event)).text,
	].join('\n');
	expect(said).not.toContain('_secret_');
	await until(async () => (await read(owner, order.id)).paymentStatus === 'Authorized', 'the money is held');
	expect(await read(owner, order.id)).toMatchObject({ paymentAction: null });
	const stored = await system.sql('SELECT action FROM payments WHERE order_id = $1', [order.id]);
	expect(stored).toEqual([{ action: null }]);
}, 60_000);

it.each(['before', 'after'])(
	'a kill %s the commit of an event loses nothing, and the event counts once',
	async (when) => {
		await processes.at(-1)?.stop();
		const dying = await start({ CRASH_AT: `${when}:provider.handle` });
		const order = await waiting();
		const event = authenticated(order);
		expect(await post(event)).toMatchObject({ status: 0 });
		expect((await dying.exited).signal).toBe('SIGKILL');
		await start();
		// Stripe sends again what was not answered.
		expect(await post(event)).toMatchObject({ status: 204 });
		await until(async () => (await read(owner, order.id)).paymentStatus === 'Authorized', 'the money is held');
		const handled = await system.sql(
			`SELECT count(*)::int AS handled FROM inbox_messages WHERE consumer = 'provider' AND order_id = $1`,
			[order.id],
		);
		expect((handled[0] as { handled: number }).handled).toBeLessThanOrEqual(1);
		const moves = standIn.account.moves.filter(({ orderId }) => orderId === order.id);
		expect(moves.map(({ deed }) => deed)).toEqual(['authorize']);
	},
	90_000,
);

it.each(['after:settlement.outcome', 'after:provider.call'])(
	'a kill %s leaves nothing at Stripe that the browser of a buyer who has failed could still pay',
	async (point) => {
		const order = await waiting();
		await processes.at(-1)?.stop();
		authenticate(standIn.account, intentOf(order).id, 'failed');
		const dying = system.start({ CRASH_AT: point });
		processes.push(dying);
		expect((await dying.exited).signal).toBe('SIGKILL');
		if (point.endsWith('outcome')) expect(intentOf(order).status).toBe('requires_payment_method');
		await start();
		await until(() => intentOf(order).status === 'canceled', 'nothing is left at Stripe');
		expect(authenticate(standIn.account, intentOf(order).id, 'succeeded')).toBe(false);
		expect(await read(owner, order.id)).toMatchObject({ status: 'PaymentFailed', paymentStatus: 'Declined' });
		const unfinished = () => system.sql('SELECT FROM orders WHERE id = $1 AND sweep_at IS NOT NULL', [order.id]);
		await until(async () => (await unfinished()).length === 0, 'nothing more is asked for');
		const moves = standIn.account.moves.filter(({ orderId }) => orderId === order.id);
		expect(moves.map(({ deed, outcome }) => `${deed} ${outcome}`)).toEqual(['authorize declined', 'cancel succeeded']);
	},
	90_000,
);

it('a buyer who acts while everything is down, PostgreSQL too, has acted, though no event says so', async () => {
	const order = await waiting();
	await system.killTree();
	authenticated(order);
	await start();
	await until(async () => (await read(owner, order.id)).paymentStatus === 'Authorized', 'the money is held');
	const moves = standIn.account.moves.filter(({ orderId }) => orderId === order.id);
	expect(moves.map(({ deed }) => deed)).toEqual(['authorize']);
}, 90_000);

it('nothing that the processes printed holds a secret of the buyer or of ours', async () => {
	await processes.at(-1)?.stop();
	for (const { lines } of processes) {
		expect(lines.length).toBeLessThan(KEPT_LINES);
		expect(lines.join('\n')).not.toMatch(/_secret_|sk_test_|whsec_|pm_card|eyJ/);
	}
	expect(processes.flatMap(({ lines }) => lines).length).toBeGreaterThan(10);
}, 60_000);
