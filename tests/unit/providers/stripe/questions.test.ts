/** What the adapter finds out when it asks: by name, by lists, and for reconciliation. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Finding, PaymentOperation, ProviderPayment } from '../../../../domain/provider.ts';
import { HOUR } from '../../../../domain/time.ts';
import { until } from '../../../support/until.ts';
import { charge, intent, ORDER, request, ScriptedStripe } from './scripted-stripe.ts';

let stripe: ScriptedStripe;

beforeEach(async () => {
	stripe = new ScriptedStripe();
	await stripe.listen();
});
afterEach(() => stripe.close());

const { signal } = new AbortController();
const failed = { type: 'card_error', code: 'card_declined', decline_code: 'insufficient_funds' };
const authentication = { type: 'invalid_request_error', code: 'payment_intent_authentication_failure' };

describe('a payment whose name is known', () => {
	it.each<[PaymentOperation, string, object, Partial<Finding> & object]>([
		['authorize', 'requires_capture', { latest_charge: charge() }, { kind: 'succeeded', reference: 'pi_1' }],
		['authorize', 'succeeded', {}, { kind: 'succeeded' }],
		['authorize', 'requires_action', {}, { kind: 'actionRequired' }],
		['authorize', 'processing', {}, { kind: 'pending' }],
		['authorize', 'canceled', { cancellation_reason: 'automatic' }, { kind: 'gone', code: 'automatic' }],
		['authorize', 'canceled', { cancellation_reason: null }, { kind: 'gone' }],
		['authorize', 'requires_payment_method', {}, { kind: 'notDone' }],
		['authorize', 'requires_confirmation', {}, { kind: 'notDone' }],
		[
			'authorize',
			'requires_payment_method',
			{ last_payment_error: failed },
			{ kind: 'declined', code: 'insufficient_funds' },
		],
		['authorize', 'requires_payment_method', { last_payment_error: authentication }, { kind: 'declined' }],
		['authorize', 'sleeping', {}, { kind: 'unknown' }],
		['capture', 'requires_capture', {}, { kind: 'notDone' }],
		['capture', 'succeeded', { amount_received: 1050 }, { kind: 'succeeded' }],
		['capture', 'succeeded', { amount_received: 1049 }, { kind: 'unknown' }],
		['capture', 'canceled', { cancellation_reason: 'expired' }, { kind: 'gone' }],
		['capture', 'requires_payment_method', {}, { kind: 'gone' }],
		['capture', 'processing', {}, { kind: 'pending' }],
		['capture', 'sleeping', {}, { kind: 'unknown' }],
		['void', 'requires_capture', {}, { kind: 'notDone' }],
		['void', 'requires_action', {}, { kind: 'notDone' }],
		['void', 'requires_payment_method', {}, { kind: 'notDone' }],
		['void', 'canceled', { cancellation_reason: 'requested_by_customer' }, { kind: 'succeeded' }],
		['void', 'canceled', { cancellation_reason: 'automatic' }, { kind: 'gone' }],
		['void', 'succeeded', {}, { kind: 'refused' }],
		['void', 'processing', {}, { kind: 'unknown' }],
	])('%s: %s', async (operation, status, changes, finding) => {
		stripe.script = () => ({ body: intent(status, changes) });
		expect(await stripe.provider().find(operation, request({ reference: 'pi_1' }), signal)).toMatchObject(finding);
		expect(stripe.asked).toMatchObject([{ method: 'GET', path: '/v1/payment_intents/pi_1' }]);
		expect(stripe.asked[0]?.query.toString()).toBe(new URLSearchParams({ 'expand[0]': 'latest_charge' }).toString());
	});

	it.each<[number, object, string]>([
		[404, { type: 'invalid_request_error', code: 'resource_missing' }, 'unknown'],
		[500, { type: 'api_error' }, 'unknown'],
		[402, { type: 'card_error' }, 'unknown'],
		[401, { type: 'invalid_request_error' }, 'refusesUs'],
	])('%d of the question itself decides nothing', async (status, error, kind) => {
		stripe.script = () => ({ status, body: { error } });
		expect(await stripe.provider().find('capture', request({ reference: 'pi_1' }), signal)).toMatchObject({ kind });
	});
});

/** Payments of other orders, newest first, one every `every` seconds before `newest`. */
const others = (count: number, newest: number, every = 0): ReturnType<typeof intent>[] =>
	Array.from({ length: count }, (_, n) =>
		intent('succeeded', { id: `pi_other${n}`, created: newest - n * every, metadata: { order_id: `other-${n}` } }),
	);

/** Answers as Stripe's list does. */
function lists(intents: readonly ReturnType<typeof intent>[]): void {
	const sorted = [...intents].sort((a, b) => b.created - a.created);
	stripe.script = ({ query }) => {
		const bound = (name: string): number | undefined => {
			const value = query.get(`created[${name}]`);
			return value === null ? undefined : Number(value);
		};
		const [gte, gt, lte] = [bound('gte') ?? 0, bound('gt') ?? 0, bound('lte') ?? Number.POSITIVE_INFINITY];
		const fitting = sorted.filter(({ created }) => created >= gte && created > gt && created <= lte);
		const start = fitting.findIndex(({ id }) => id === query.get('starting_after')) + 1;
		const limit = Number(query.get('limit'));
		return {
			body: { object: 'list', data: fitting.slice(start, start + limit), has_more: fitting.length > start + limit },
		};
	};
}

describe('an authorisation whose answer never came', () => {
	const used = 1_800_000_000;
	const asked = request({ keyUsedAt: used * 1_000 });
	const find = () => stripe.provider().find('authorize', asked, signal);

	it.each([used - 5, used, used + 9, used + 10, used + 11, used + 3_600])('is found, made at %d', async (created) => {
		const ours = intent('requires_capture', { created, latest_charge: charge({ created }) });
		lists([...others(250, used + 8), ours, ...others(30, used + 40_000)]);
		expect(await find()).toMatchObject({ kind: 'succeeded', reference: 'pi_1' });
	});

	it('is not there: its whole time was looked through', async () => {
		lists([...others(150, used + 3), ...others(120, used + 3_000), intent('succeeded', { created: used - 60 })]);
		expect(await find()).toEqual({ kind: 'notFound' });
		expect(stripe.asked.map(({ query }) => query.get('limit'))).toEqual(['100', '100', '100', '100']);
	});

	it('without metadata is nobody’s', async () => {
		lists([
			intent('requires_capture', { created: used, metadata: {} }),
			intent('succeeded', { created: used, metadata: null }),
		]);
		expect(await find()).toEqual({ kind: 'notFound' });
	});

	it('is looked for together with others: each page is read once', async () => {
		const orders = Array.from({ length: 200 }, (_, n) => `other-${n * 2}`);
		lists(others(300, used + 290, 1));
		const provider = stripe.provider();
		const found = await Promise.all(
			orders.map((orderId, n) =>
				provider.find('authorize', request({ orderId, keyUsedAt: (used + 290 - n * 2) * 1_000 }), signal),
			),
		);
		expect(found.map(({ kind }) => kind)).toEqual(orders.map((_, n) => (n < 150 ? 'succeeded' : 'notFound')));
		expect(stripe.asked.length).toBeLessThan(10);
	});

	it('is looked for until the last who asks has gone', async () => {
		stripe.script = () => undefined;
		const provider = stripe.provider({ timeout: 60_000 });
		const asking = [new AbortController(), new AbortController()];
		const finds = asking.map((abort) => provider.find('authorize', asked, abort.signal));
		await until(() => stripe.asked.length === 1);
		asking[0]?.abort();
		await expect(finds[0]).rejects.toThrow(/abort/);
		expect(stripe.cut).toBe(0);
		asking[1]?.abort();
		await expect(finds[1]).rejects.toThrow(/abort/);
		await until(() => stripe.cut === 1);
	});

	it('among too many is repeated while its key lasts, and is a matter for a person after that', async () => {
		const now = Date.now();
		const provider = stripe.provider();
		const find = (keyUsedAt: number) => provider.find('authorize', request({ keyUsedAt }), signal);
		lists(others(1_000, Math.floor(now / 1_000)));
		expect(await find(now)).toEqual({ kind: 'notFound', inPart: true });
		expect(stripe.asked).toHaveLength(7);
		// Those made later are too many; of those made at that time there are none.
		lists(others(1_000, Math.floor(now / 1_000) + 3_600));
		expect(await find(now)).toEqual({ kind: 'notFound', inPart: false });
		const long = now - 23 * HOUR;
		lists(others(1_000, Math.floor(long / 1_000)));
		expect(await find(long)).toMatchObject({ kind: 'unknown' });
	});
});

describe('a page of the list that does not come', () => {
	const used = Math.floor(Date.now() / 1_000) - 60;
	const find = (provider = stripe.provider(), orderId = ORDER, keyUsedAt = used * 1_000): Promise<Finding> =>
		provider.find('authorize', request({ orderId, keyUsedAt }), signal);
	const ours = () => intent('requires_capture', { created: used, latest_charge: charge({ created: used }) });

	/** Page after page as Stripe's list, but for those that `trouble` answers; undefined there is no answer at all. */
	function troubled(
		intents: readonly ReturnType<typeof intent>[],
		trouble: (nth: number, asked: URLSearchParams) => object | undefined | 'none',
	): void {
		lists(intents);
		const { script } = stripe;
		stripe.script = (asked, response) => {
			const answer = trouble(stripe.asked.length, asked.query);
			if (answer !== 'none') return answer as ReturnType<typeof script>;
			return script(asked, response);
		};
	}

	it.each<[string, object | undefined]>([
		['an error of its own', { status: 500, body: { error: { type: 'api_error' } } }],
		['that there are too many calls', { status: 429, body: { error: { code: 'rate_limit' } } }],
		['a page of something in between', { status: 502, body: '<html>' }],
		['half of an answer', { headers: { 'content-length': '10' }, body: '{' }],
		['nothing', undefined],
	])('is asked for again, where Stripe says %s', async (_, answer) => {
		troubled([...others(120, used + 3), ours()], (nth) => (nth % 2 === 0 ? 'none' : answer));
		expect(await find(stripe.provider({ timeout: 4_000 }))).toMatchObject({ kind: 'succeeded', reference: 'pi_1' });
		expect(stripe.asked).toHaveLength(4); // each of the two pages twice
	});

	it('is asked for three times, and decides nothing then', async () => {
		troubled([ours()], () => ({ status: 500, body: { error: { type: 'api_error' } } }));
		expect(await find()).toMatchObject({ kind: 'unknown' });
		expect(stripe.asked).toHaveLength(3);
	});

	it('is not asked for again where Stripe refuses us', async () => {
		troubled([ours()], () => ({ status: 401, body: { error: { type: 'invalid_request_error' } } }));
		expect(await find()).toMatchObject({ kind: 'refusesUs' });
		expect(stripe.asked).toHaveLength(1);
	});

	it('harms nobody who stands on those before it, and they do not wait for it', async () => {
		const isSecond = (query: URLSearchParams): boolean => query.has('starting_after');
		const failure = Promise.withResolvers<void>();
		lists([intent('requires_capture', { ...ours(), created: used + 4 }), ...others(150, used + 3)]);
		const { script } = stripe;
		stripe.script = (asked, response) => {
			if (!isSecond(asked.query)) return script(asked, response);
			void failure.promise.then(() => response.writeHead(500).end('{"error":{"type":"api_error"}}'));
			return undefined;
		};
		const provider = stripe.provider({ timeout: 60_000 });
		const other = find(provider, 'other-140');
		expect(await find(provider)).toMatchObject({ kind: 'succeeded', reference: 'pi_1' });
		await until(() => stripe.asked.some(({ query }) => isSecond(query)));
		failure.resolve();
		expect(await other).toMatchObject({ kind: 'unknown' });
	});

	it('in time leaves the rest of the time for the call; nothing is concluded from what was not looked at', async () => {
		troubled(others(150, used + 3), (_, query) => (query.has('starting_after') ? undefined : 'none'));
		const provider = stripe.provider({ timeout: 4_000 });
		const begun = performance.now();
		expect(await find(provider)).toEqual({ kind: 'notFound', inPart: true });
		expect(performance.now() - begun).toBeLessThan(3_800);
		const long = Math.floor(Date.now() / 1_000) - 23 * 3_600;
		troubled(others(150, long), (_, query) => (query.has('starting_after') ? undefined : 'none'));
		expect(await find(provider, ORDER, long * 1_000)).toMatchObject({ kind: 'unknown' });
	});
});

describe('a refund', () => {
	const refund = (reference: string | null) => request({ reference: 'pi_1', refund: { id: 'r1', reference } });

	it('is asked for by its name', async () => {
		stripe.script = () => ({ body: { id: 're_1', status: 'failed', failure_reason: 'lost_or_stolen_card' } });
		const finding = await stripe.provider().find('refund', refund('re_1'), signal);
		expect(finding).toMatchObject({ kind: 'declined', code: 'lost_or_stolen_card' });
		expect(stripe.asked[0]?.path).toBe('/v1/refunds/re_1');
	});

	it('is found among those of the payment', async () => {
		const data = [
			{ id: 're_2', status: 'failed', metadata: { refund_id: 'r2' } },
			{ id: 're_3', status: 'succeeded', metadata: null },
			{ id: 're_1', status: 'succeeded', metadata: { refund_id: 'r1' } },
		];
		stripe.script = () => ({ body: { object: 'list', has_more: false, data } });
		expect(await stripe.provider().find('refund', refund(null), signal)).toEqual({
			kind: 'succeeded',
			reference: 're_1',
		});
		expect(stripe.asked[0]?.query.get('payment_intent')).toBe('pi_1');
		data.pop();
		expect(await stripe.provider().find('refund', refund(null), signal)).toEqual({ kind: 'notFound' });
	});
});

describe('the list for reconciliation', () => {
	async function all(since: number, until: number): Promise<ProviderPayment[]> {
		const payments: ProviderPayment[] = [];
		for await (const payment of stripe.provider().list(since, until, signal)) payments.push(payment);
		return payments;
	}

	it('goes through all pages', async () => {
		lists([...others(501, 1_800_000_500, 1), ...others(3, 1_700_000_000)]);
		const payments = await all(1_800_000_000_000, 1_800_000_500_000);
		expect(payments).toHaveLength(501);
		expect(new Set(payments.map(({ reference }) => reference)).size).toBe(501);
	});

	it('shows money in our units, and what was taken apart from what was only held', async () => {
		const created = 1_800_000_000;
		lists([
			intent('requires_capture', { id: 'pi_a', created, amount_capturable: 1050, latest_charge: charge() }),
			intent('succeeded', {
				...{ id: 'pi_b', created, currency: 'isk', amount_received: 105_000 },
				latest_charge: charge({ amount: 105_000, amount_captured: 105_000, amount_refunded: 5_000 }),
			}),
			intent('canceled', { id: 'pi_c', created, latest_charge: charge({ amount_refunded: 1050, refunded: true }) }),
			intent('succeeded', {
				...{ id: 'pi_d', created, amount_received: 800 },
				latest_charge: charge({ amount_captured: 800, amount_refunded: 350 }),
			}),
			intent('requires_action', { id: 'pi_e', created, metadata: {} }),
			intent('succeeded', {
				id: 'pi_f',
				created,
				currency: 'isk',
				amount_received: 1,
				metadata: {},
				latest_charge: null,
			}),
		]);
		const payments = await all(created * 1_000, created * 1_000);
		const money = payments.map((one) => [one.reference, one.currency, one.held, one.captured, one.refunded, one.waits]);
		expect(money.sort()).toEqual([
			['pi_a', 'USD', 1050n, 0n, 0n, false],
			['pi_b', 'ISK', 0n, 1050n, 50n, false],
			['pi_c', 'USD', 0n, 0n, 0n, false],
			['pi_d', 'USD', 0n, 800n, 100n, false],
			['pi_e', 'USD', 0n, 0n, 0n, true],
			['pi_f', 'ISK', 0n, 1n, 0n, false],
		]);
		expect(payments.filter(({ orderId }) => orderId === ORDER)).toHaveLength(4);
		expect(payments.find(({ reference }) => reference === 'pi_f')).toMatchObject({
			orderId: null,
			createdAt: created * 1_000,
		});
	});

	it('ends with a sentence where Stripe does not answer well', async () => {
		stripe.script = () => ({ status: 500, body: { error: { type: 'api_error', message: 'at db-7.internal' } } });
		await expect(all(0, 1)).rejects.toThrow(/^Stripe had an error of its own\.$/);
	});
});
