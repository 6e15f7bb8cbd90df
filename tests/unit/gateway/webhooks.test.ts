/** The door for Stripe's webhooks: who is let in, how much at once, and what is answered. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Context, Errors } from 'moleculer';
import Stripe from 'stripe';
import type { ProviderNews } from '../../../mixins/providers/news.ts';
import { until } from '../../support/until.ts';
import { accessOf, problem, type Stage, stage, wire } from './fixtures.ts';

const SECRET = 'whsec_test';
const ENV = {
	PAYMENT_PROVIDER: 'stripe',
	STRIPE_API_KEY: 'sk_test_unit0123456789',
	STRIPE_WEBHOOK_SECRET: `whsec_old,${SECRET}`,
};
const LIMIT = 256 * 1024;
const ORDER = '0198c0de-0000-7000-8000-000000000001';
const EVENT = {
	id: 'evt_1',
	type: 'payment_intent.canceled',
	livemode: false,
	data: { object: { id: 'pi_1', client_secret: 'pi_1_secret_x', metadata: { order_id: ORDER } } },
};

let on: Stage;
let heard: ProviderNews[];
let answer: () => unknown;

/** The gateway, with a settlement service that only notes what it hears. */
async function open(options: NonNullable<Parameters<typeof stage>[1]> = {}): Promise<void> {
	on = await stage({}, { env: ENV, ...options });
	on.broker.createService({
		name: 'settlement',
		actions: {
			news: ({ params }: Context<ProviderNews>) => {
				heard.push(params);
				return answer();
			},
		},
	});
	await on.broker.waitForServices('settlement');
}

beforeEach(() => {
	heard = [];
	answer = () => ({ result: 'asked' });
});
afterEach(() => on.broker.stop());

const sign = (payload: string): string => Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET });

function post(payload = JSON.stringify(EVENT), headers: Record<string, string> = {}): Promise<Response> {
	return fetch(`${on.url}/webhooks/stripe`, {
		method: 'POST',
		body: payload,
		headers: { 'stripe-signature': sign(payload), ...headers },
	});
}

it('answers 204 without a word once the message is stored', async () => {
	await open();
	const res = await post();
	expect([res.status, await res.text()]).toEqual([204, '']);
	expect(heard).toEqual([
		{ id: 'evt_1', isLive: false, about: 'hold', reference: 'pi_1', orderId: ORDER, refund: null },
	]);
	expect((await on.metrics.expose()).body).toContain('provider_webhooks_total{result="asked"} 1');
});

it('asks for no token, no host of its own and no page of its own: the signature says who it is', async () => {
	await open({ access: { ...accessOf(), auth: { kind: 'off', host: '127.0.0.1' } } });
	const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://elsewhere.example', 'content-type': 'text/plain' };
	expect((await post(undefined, headers)).status).toBe(204);
	const payload = JSON.stringify(EVENT);
	const { socket, closed } = wire(on.port);
	socket.write(
		`POST /webhooks/stripe HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nStripe-Signature: ${sign(payload)}\r\n` +
			`Content-Length: ${payload.length}\r\n\r\n${payload}`,
	);
	expect(await closed).toMatch(/^HTTP\/1\.1 204 /);
	expect(heard.length).toBe(2);
});

describe('refuses', () => {
	it.each<[string, Record<string, string>]>([
		['another signature', { 'stripe-signature': sign('{}') }],
		['an empty one', { 'stripe-signature': '' }],
	])('%s with 400, and says nothing of what came', async (_, headers) => {
		await open();
		const body = await problem(await post(undefined, headers), 400, 'Webhooks.SignatureInvalid');
		expect(JSON.stringify(body) + on.log.join()).not.toMatch(/pi_1|_secret_|whsec_/);
		expect(heard).toEqual([]);
		expect(on.log).toEqual([expect.stringMatching(/^warn a message to \/webhooks\/stripe was refused: No signature/)]);
		expect((await on.metrics.expose()).body).toContain('provider_webhooks_total{result="refused"} 1');
	});

	it('a body in the wrong mode, as settlement says', async () => {
		await open();
		answer = () => {
			throw new Errors.MoleculerClientError('This is a live event.', 400, 'Webhooks.WrongMode');
		};
		await problem(await post(), 400, 'Webhooks.WrongMode');
	});

	it('a body of more than 256 KiB, and none of 256 KiB', async () => {
		await open();
		const padded = (length: number): string => {
			const empty = JSON.stringify({ ...EVENT, pad: '' });
			return JSON.stringify({ ...EVENT, pad: 'x'.repeat(length - empty.length) });
		};
		expect((await post(padded(LIMIT))).status).toBe(204);
		await problem(await post(padded(LIMIT + 1)), 413, 'Request.TooLarge');
		expect(heard.length).toBe(1);
	});

	it('other methods, and other paths below', async () => {
		await open();
		const res = await fetch(`${on.url}/webhooks/stripe`);
		expect(res.headers.get('allow')).toBe('POST');
		await problem(res, 405, 'Route.MethodNotAllowed');
		await problem(await fetch(`${on.url}/webhooks/paypal`, { method: 'POST' }), 404, 'Route.NotFound');
	});
});

it.each<[string, Record<string, string>]>([
	['the sandbox', { STRIPE_WEBHOOK_SECRET: SECRET }],
	['no secret', { ...ENV, STRIPE_WEBHOOK_SECRET: '' }],
])('with %s there is no such path', async (_, env) => {
	await open({ env });
	await problem(await post(), 404, 'Route.NotFound');
	expect(heard).toEqual([]);
});

describe('what cannot be stored is answered 503, so that Stripe sends it again', () => {
	it('when the service that stores it is away', async () => {
		await open();
		await on.broker.destroyService('settlement');
		const res = await post();
		expect(res.headers.get('retry-after')).toBe('1');
		await problem(res, 503, 'Service.Unavailable');
		expect((await on.metrics.expose()).body).toContain('provider_webhooks_total{result="failed"} 1');
	});

	it('when it says so', async () => {
		await open();
		answer = () => {
			throw new Errors.MoleculerServerError('The database is away.', 503, 'DATABASE_AWAY');
		};
		await problem(await post(), 503, 'Service.Unavailable');
	});
});

it('reads 64 messages at once and no more: whoever sends them is not known before the last byte', async () => {
	await open();
	const head =
		'POST /webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: t=1,v1=0\r\nContent-Length: 9\r\n\r\n';
	const slow = Array.from({ length: 64 }, () => wire(on.port));
	for (const { socket } of slow) socket.write(`${head}{`);
	await until(async () => (await post()).status === 503, 'the 65th is refused');
	const count = heard.length;
	await problem(await post(), 503, 'Service.Overloaded');
	expect(heard.length).toBe(count);
	// Orders go on meanwhile.
	expect((await fetch(`${on.url}/orders`)).status).toBe(200);
	for (const { socket } of slow) socket.destroy();
	await until(async () => (await post()).status === 204, 'there is room again');
});
