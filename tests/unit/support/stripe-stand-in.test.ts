import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { seeded } from '../../support/random.ts';
import { authenticate } from '../../support/stripe/intents.ts';
import { StripeStandIn, TEST_KEY } from '../../support/stripe/stand-in.ts';
import { until } from '../../support/until.ts';

/** How long the stand-in believes that a caller waits, and how long one waits here for an answer that does not come. */
const PATIENCE = 1_000;
const IN_VAIN = 200;

let standIn: StripeStandIn;
let patience = AbortSignal.timeout(60_000);
beforeEach(async () => {
	standIn = await StripeStandIn.open({ patience: PATIENCE, random: seeded(1) });
	patience = AbortSignal.timeout(60_000);
});
afterEach(() => standIn.close());

interface Reply {
	readonly status: number;
	readonly headers: Headers;
	// biome-ignore lint/suspicious/noExplicitAny: parsed JSON of seven kinds, of which each test expects the members it reads
	readonly body: any;
}

async function ask(
	path: string,
	form?: Readonly<Record<string, string>>,
	headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
	const response = await fetch(`${standIn.url}/v1/${path}`, {
		method: form === undefined ? 'GET' : 'POST',
		headers: { authorization: `Bearer ${TEST_KEY}`, ...headers },
		body: form === undefined ? null : new URLSearchParams(form),
		signal: patience,
	});
	return { status: response.status, headers: response.headers, body: await response.json() };
}

const post = (path: string, form: Readonly<Record<string, string>>, key: string = newId(Date.now())): Promise<Reply> =>
	ask(path, form, { 'idempotency-key': key });

const met = (): number => Object.values(standIn.faults.counts).reduce((sum, count) => sum + count, 0);

/** Asks, and gives up soon after the stand-in has read the question. */
async function inVain(asking: () => Promise<Reply>): Promise<void> {
	const before = met();
	const usual = patience;
	const giving = new AbortController();
	patience = giving.signal;
	const asked = expect(asking()).rejects.toThrow();
	patience = usual;
	await until(() => met() > before, 'the stand-in has the question');
	await setTimeout(IN_VAIN);
	giving.abort();
	await asked;
}

const ORDER = 'order-1';
const CREATE = {
	...{ amount: '1990', currency: 'usd', capture_method: 'manual', confirm: 'true', 'expand[0]': 'latest_charge' },
	...{ payment_method: 'pm_card_visa', 'allowed_payment_method_types[0]': 'card', 'metadata[order_id]': ORDER },
};
const create = (form: Readonly<Record<string, string>> = {}, key?: string): Promise<Reply> =>
	post('payment_intents', { ...CREATE, ...form }, key);

const booked = () => standIn.book().get(ORDER);

describe('the stand-in for Stripe', () => {
	it('holds, takes a part, releases the rest, and gives back', async () => {
		const { status, body } = await create();
		expect([status, body.status, body.amount_capturable]).toEqual([200, 'requires_capture', 1990]);
		const week = 7 * 24 * 3_600;
		const { capture_before: end } = body.latest_charge.payment_method_details.card;
		expect(Math.abs(end - body.created - week)).toBeLessThanOrEqual(1);
		expect(booked()).toMatchObject({ authorized: 1990, held: 1990, captured: 0 });

		const taken = await post(`payment_intents/${body.id}/capture`, { amount_to_capture: '1500' });
		expect([taken.body.status, taken.body.amount_received]).toEqual(['succeeded', 1500]);
		const back = await post('refunds', { payment_intent: body.id, amount: '500', 'metadata[refund_id]': 'r1' });
		expect([back.body.status, back.body.amount, back.body.metadata.refund_id]).toEqual(['succeeded', 500, 'r1']);
		const tooMuch = await post('refunds', { payment_intent: body.id, amount: '1001' });
		expect(tooMuch.status).toBe(400);
		expect((await post('refunds', { payment_intent: body.id })).body.amount).toBe(1000);
		const again = await post('refunds', { payment_intent: body.id });
		expect([again.status, again.body.error.code]).toEqual([400, 'charge_already_refunded']);
		expect(booked()).toMatchObject({ authorized: 1990, captured: 1500, released: 490, refunded: 1500, held: 0 });
		expect((await ask(`refunds?payment_intent=${body.id}`)).body.data).toHaveLength(2);
	});

	it('says by the code and the intent why a state does not allow something', async () => {
		const { id } = (await create()).body;
		expect((await post(`payment_intents/${id}/cancel`, {})).body.status).toBe('canceled');
		for (const operation of ['capture', 'cancel']) {
			const { status, body } = await post(`payment_intents/${id}/${operation}`, {});
			expect([status, body.error.code]).toEqual([400, 'payment_intent_unexpected_state']);
			expect(body.error.payment_intent).toMatchObject({ id, status: 'canceled' });
		}
		expect((await ask(`payment_intents/${id}?expand[0]=latest_charge`)).body.latest_charge).toMatchObject({
			...{ captured: false, refunded: true, amount_captured: 0 },
		});
		expect(booked()).toMatchObject({ released: 1990, held: 0 });
	});

	it('keeps the first answer to a key, a decline too, and refuses the key for anything else', async () => {
		const first = await create({ payment_method: 'pm_card_visa_chargeDeclinedInsufficientFunds' }, 'k');
		const second = await create({ payment_method: 'pm_card_visa_chargeDeclinedInsufficientFunds' }, 'k');
		expect([first.status, second.status]).toEqual([402, 402]);
		expect(first.body.error).toMatchObject({ code: 'card_declined', decline_code: 'insufficient_funds' });
		expect(first.body.error.payment_intent.status).toBe('requires_payment_method');
		expect(second.body).toEqual(first.body);
		expect(first.headers.get('idempotent-replayed')).toBeNull();
		expect(second.headers.get('idempotent-replayed')).toBe('true');
		expect(first.headers.get('request-id')).toMatch(/^req_/);
		const other = await create({}, 'k');
		const elsewhere = await post('refunds', { payment_intent: 'pi_1' }, 'k');
		expect([other, elsewhere].map(({ status, body }) => [status, body.error.type])).toEqual([
			[400, 'idempotency_error'],
			[400, 'idempotency_error'],
		]);
		expect(standIn.account.intents.size).toBe(1);
	});

	it('keeps a 500 whether the work was done or not, or is done later', async () => {
		for (const [fault, done] of [
			['error before', 0],
			['error after', 1],
			['error and later', 1],
		] as const) {
			standIn.faults.order('create', fault);
			const key = `k ${fault}`;
			const form = { 'metadata[order_id]': fault };
			const first = await create(form, key);
			await until(() => standIn.intentsOf(fault).length === done, `${fault}: ${done}`);
			const again = await create(form, key);
			expect([first.status, again.status, again.headers.get('idempotent-replayed')]).toEqual([500, 500, 'true']);
			expect(standIn.intentsOf(fault)).toHaveLength(done);
		}
	});

	it('does not keep what stands before the work: limits, a bad key, a wrong parameter', async () => {
		standIn.gate.limit = 1;
		expect((await create()).status).toBe(200);
		const limited = await create({}, 'k');
		expect([limited.status, limited.headers.get('stripe-should-retry')]).toEqual([429, 'true']);
		standIn.gate.limit = Number.POSITIVE_INFINITY;
		standIn.gate.revoke();
		expect((await create({}, 'k')).status).toBe(401);
		standIn.gate.restore();
		expect((await create({ colour: 'red' }, 'k')).body.error.code).toBe('parameter_unknown');
		const good = await create({}, 'k');
		expect([good.status, good.headers.get('idempotent-replayed')]).toEqual([200, null]);
	});

	it('answers 409 to a key that is in use', async () => {
		standIn.faults.order('create', 'slow');
		await inVain(() => create({}, 'k'));
		expect((await create({}, 'k')).body.error.code).toBe('idempotency_key_in_use');
		await until(async () => (await create({}, 'k')).headers.get('idempotent-replayed') === 'true');
		expect(standIn.account.intents.size).toBe(1);
	});

	it.each([
		['timeout before', 0],
		['timeout after', 1],
		['cut', 1],
		['trickle', 1],
		['reset', 1],
		['gateway', 0],
	] as const)('gives no answer that can be read: %s', async (fault, intents) => {
		standIn.faults.order('create', fault);
		await inVain(() => create({}, 'k'));
		expect(standIn.account.intents.size).toBe(intents);
		const { status, headers } = await create({}, 'k');
		expect([status, headers.get('idempotent-replayed')]).toEqual([200, intents === 1 ? 'true' : null]);
		expect(booked()).toMatchObject({ authorized: 1990, intents: [expect.any(String)] });
	});

	it('refuses what Stripe refuses, and a key that the caller did not choose', async () => {
		const refusals = [
			await create({ 'payment_method_types[0]': 'card' }),
			await create({ payment_method: 'pm_nothing' }),
			await create({ amount: '49' }),
			await create({ amount: '150', currency: 'isk' }),
			await create({ amount: '1001', currency: 'kwd' }),
			await create({ currency: 'iqd' }),
			await create({}, 'stripe-node-retry-1'),
			await ask('payment_intents', CREATE),
		];
		expect(refusals.map(({ status, body }) => [status, body.error.code])).toEqual([
			[400, 'payment_method_types_no_longer_supported'],
			[404, 'resource_missing'],
			[400, 'amount_too_small'],
			[400, 'invalid_charge_amount_no_decimal_compatible'],
			[400, 'invalid_charge_amount'],
			[400, undefined],
			[400, undefined],
			[400, undefined],
		]);
		expect(standIn.account.intents.size).toBe(0);
	});

	it('waits for the buyer, who can fail and try again', async () => {
		const { body } = await create({
			...{ payment_method: 'pm_card_threeDSecure2Required', return_url: 'http://127.0.0.1/back' },
		});
		expect(body.status).toBe('requires_action');
		const { url } = body.next_action.redirect_to_url;
		const answer = (outcome: string): Promise<Response> =>
			fetch(url, { method: 'POST', body: new URLSearchParams({ outcome }), redirect: 'manual' });
		expect((await answer('failed')).status).toBe(303);
		const failed = (await ask(`payment_intents/${body.id}`)).body;
		expect([failed.status, failed.last_payment_error.code]).toEqual([
			...['requires_payment_method', 'payment_intent_authentication_failure'],
		]);
		expect(authenticate(standIn.account, body.id, 'succeeded')).toBe(true);
		expect(booked()).toMatchObject({ held: 1990 });
		expect((await answer('succeeded')).status).toBe(409);
	});

	it('lets a hold go by its own clock', async () => {
		const { id } = (await create()).body;
		standIn.advance(standIn.account.holdsFor);
		const { body } = await ask(`payment_intents/${id}`);
		expect([body.status, body.cancellation_reason]).toEqual(['canceled', 'automatic']);
		expect(booked()).toMatchObject({ released: 1990, held: 0, captured: 0 });
	});

	it('can let a hold go before the intent shows it', async () => {
		standIn.faults.order('create', 'unseen lapse');
		const { id } = (await create()).body;
		await until(() => booked()?.released === 1990);
		const codes: string[] = [];
		await until(async () => {
			const { status, body } = await post(`payment_intents/${id}/capture`, {});
			codes.push(`${status} ${body.error.code}`);
			return codes.at(-1) === '400 payment_intent_unexpected_state';
		});
		expect(codes[0]).toBe('400 charge_expired_for_capture');
		expect(booked()).toMatchObject({ captured: 0 });
	});

	it('takes a refund back, or settles it later', async () => {
		for (const [card, first, then] of [
			['pm_card_refundFail', 'succeeded', 'failed'],
			['pm_card_pendingRefund', 'pending', 'succeeded'],
		] as const) {
			const form = { payment_method: card, 'metadata[order_id]': card };
			const { id } = (await create(form)).body;
			await post(`payment_intents/${id}/capture`, {});
			const refund = (await post('refunds', { payment_intent: id })).body;
			expect(refund.status).toBe(first);
			standIn.settleRefunds();
			expect((await ask(`refunds/${refund.id}`)).body.status).toBe(then);
			expect(standIn.book().get(card)?.refunded).toBe(then === 'failed' ? 0 : 1990);
		}
	});

	it('lists by time, newest first, by pages', async () => {
		const ids: string[] = [];
		for (let nth = 0; nth < 5; nth += 1) ids.push((await create()).body.id);
		const now = Math.floor(Date.now() / 1_000);
		const range = `created[gte]=${now - 60}&created[lte]=${now}`;
		const first = (await ask(`payment_intents?${range}&limit=3&expand[0]=data.latest_charge`)).body;
		const rest = (await ask(`payment_intents?${range}&limit=3&starting_after=${first.data[2].id}`)).body;
		const listed = [...first.data, ...rest.data].map(({ id }: { id: string }) => id);
		expect(listed).toEqual(ids.toReversed());
		expect([first.has_more, rest.has_more, typeof first.data[0].latest_charge]).toEqual([true, false, 'object']);
		expect((await ask(`payment_intents?created[lt]=${now - 60}`)).body.data).toEqual([]);
		const events = (await ask('events?types[0]=payment_intent.amount_capturable_updated')).body.data;
		expect(events).toHaveLength(5);
	});

	it('counts the requests of an order', async () => {
		const { id } = (await create({}, 'k')).body;
		await create({}, 'k');
		await ask(`payment_intents/${id}`);
		await post(`payment_intents/${id}/cancel`, {});
		expect(booked()?.requests).toEqual({ create: 2, retrieve: 1, cancel: 1 });
	});
});
