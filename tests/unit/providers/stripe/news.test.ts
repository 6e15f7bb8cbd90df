import { describe, expect, it } from '@jest/globals';
import Stripe from 'stripe';
import { Forged } from '../../../../mixins/providers/news.ts';
import { StripeNews } from '../../../../mixins/providers/stripe/news.ts';

const SECRET = 'whsec_one';
const NOW = Date.UTC(2026, 10, 28, 12);
const ORDER = '0198c0de-0000-7000-8000-000000000001';

const event = (type: string, object: object, more: object = {}) => ({
	id: 'evt_1',
	object: 'event',
	type,
	livemode: false,
	data: { object },
	...more,
});

const INTENT = { id: 'pi_1', object: 'payment_intent', metadata: { order_id: ORDER }, client_secret: 'pi_1_secret_x' };

const signed = (payload: string, { secret = SECRET, at = NOW }: { secret?: string; at?: number } = {}): string =>
	Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: at / 1_000 });

/** What is read of a body with this signature, or of one that is well signed now. */
function read(body: unknown, signature?: string | null, secrets: readonly string[] = [SECRET]) {
	const payload = typeof body === 'string' ? body : JSON.stringify(body);
	const header = signature === undefined ? signed(payload) : (signature ?? undefined);
	return new StripeNews(secrets).read(Buffer.from(payload), header, NOW);
}

describe('what Stripe says', () => {
	it.each([
		['payment_intent.amount_capturable_updated', INTENT, 'authorization'],
		['payment_intent.payment_failed', INTENT, 'authorization'],
		['payment_intent.canceled', INTENT, 'hold'],
		['payment_intent.succeeded', INTENT, null],
		['payment_intent.requires_action', INTENT, null],
		['payment_intent.processing', INTENT, null],
		['charge.expired', { ...INTENT, id: 'ch_1', payment_intent: 'pi_1' }, 'hold'],
		['charge.refunded', { ...INTENT, id: 'ch_1', payment_intent: 'pi_1' }, 'refund'],
		['refund.created', { ...INTENT, id: 're_1', payment_intent: 'pi_1' }, 'refund'],
		['toString', { ...INTENT, payment_intent: 'pi_1' }, null],
	])('%s: names, and what to ask about', (type, object, about) => {
		expect(read(event(type, object))).toEqual({
			...{ id: 'evt_1', isLive: false, about, reference: 'pi_1', orderId: ORDER, refund: null },
		});
	});

	it.each(['refund.updated', 'refund.failed', 'charge.refund.updated'])('%s names the refund too', (type) => {
		const said = (id: unknown) => read(event(type, { ...INTENT, id, payment_intent: 'pi_1' }));
		expect(said('re_1')).toMatchObject({ about: 'refund', reference: 'pi_1', orderId: ORDER, refund: 're_1' });
		for (const id of [undefined, 7, '../re_1', 'r'.repeat(300)]) expect(said(id).refund).toBeNull();
	});

	it.each<[string, object]>([
		['without an order', { ...INTENT, metadata: {} }],
		['with another shop’s order', { ...INTENT, metadata: { order_id: 'A-17' } }],
		['without metadata', { ...INTENT, metadata: null }],
	])('a payment %s is not one of ours', (_, object) => {
		expect(read(event('payment_intent.canceled', object))).toMatchObject({ reference: 'pi_1', orderId: null });
	});

	it('a payment whose name is none has none', () => {
		for (const id of [undefined, null, 7, { id: 'pi_1' }, '../pi_1', `pi_${'x'.repeat(300)}`]) {
			expect(read(event('payment_intent.canceled', { ...INTENT, id })).reference).toBeNull();
		}
		expect(read(event('charge.expired', { ...INTENT, payment_intent: null })).reference).toBeNull();
		expect(read({ ...event('charge.expired', INTENT), data: null }).reference).toBeNull();
	});

	it('live events say so', () => {
		expect(read(event('payment_intent.canceled', INTENT, { livemode: true })).isLive).toBe(true);
	});
});

describe('signatures', () => {
	const body = JSON.stringify(event('payment_intent.canceled', INTENT));
	const good = signed(body);

	it('any of the secrets will do, and either of two signatures', () => {
		expect(read(body, good, ['whsec_other', SECRET]).id).toBe('evt_1');
		const both = `${signed(body, { secret: 'whsec_old' })},v1=${good.split('v1=')[1]}`;
		expect(read(body, both).id).toBe('evt_1');
		expect(read(body, both, ['whsec_old']).id).toBe('evt_1');
	});

	it('five minutes are tolerated in both directions', () => {
		for (const at of [NOW - 300_000, NOW + 300_000]) expect(read(body, signed(body, { at })).id).toBe('evt_1');
	});

	it.each<[string, string | null, string?]>([
		['none', null],
		['empty', ''],
		['another secret', signed(body, { secret: 'whsec_other' })],
		['another body', good, body.replace('pi_1', 'pi_2')],
		['one byte more', good, `${body} `],
		['too old', signed(body, { at: NOW - 301_000 })],
		['too far in the future', signed(body, { at: NOW + 301_000 })],
		['years in the future', signed(body, { at: NOW * 2 })],
		['no time', good.replace(/t=\d+/, 't=')],
		['a time that is none', good.replace(/t=\d+/, 't=now')],
		['two times', good.replace('t=', `t=${Math.floor(NOW / 1_000) + 9_999},t=`)],
		['an empty signature', good.replace(/v1=.*/, 'v1=')],
		['only the scheme of before', good.replace('v1=', 'v0=')],
		['not JSON', signed('{"id":'), '{"id":'],
		['nothing', signed(''), ''],
		['signed, and no event', signed('[]'), '[]'],
		['signed, and null', signed('null'), 'null'],
		['a thin event', signed('{"object":"v2.core.event","id":"evt_1"}'), '{"object":"v2.core.event","id":"evt_1"}'],
		['an id that is none', signed('{"id":"evt_\\n","type":"x"}'), '{"id":"evt_\\n","type":"x"}'],
	])('%s: refused, and nothing of it is said again', (_, signature, payload = body) => {
		let thrown: unknown;
		try {
			read(payload, signature);
		} catch (error) {
			thrown = error;
		}
		expect(thrown).toBeInstanceOf(Forged);
		expect(String((thrown as Error).message)).not.toMatch(/whsec|pi_1|secret_x/);
	});

	it('bytes that are no UTF-8 are refused', () => {
		const bytes = Buffer.from([...Buffer.from('{"id":"evt_1'), 0xff, ...Buffer.from('"}')]);
		const signature = signed(bytes.toString('latin1'));
		expect(() => new StripeNews([SECRET]).read(bytes, signature, NOW)).toThrow(Forged);
	});
});
