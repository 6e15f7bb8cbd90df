/** Stripe's webhooks, from the stand-in's events to what becomes of the order. */
import { describe, expect, it } from '@jest/globals';
import Stripe from 'stripe';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { EventRow } from '../../support/stripe/account.ts';
import { freshSystem } from '../../support/stripe/fresh-system.ts';
import { authenticate } from '../../support/stripe/intents.ts';
import { settleRefund } from '../../support/stripe/refunds.ts';
import { eventually, until } from '../../support/until.ts';

const SECRET = 'whsec_new';
const NEEDS_BUYER = { paymentMethod: 'pm_card_threeDSecure2Required' };
const DAY = 24 * 3_600_000;

const system = freshSystem({ STRIPE_WEBHOOK_SECRET: `whsec_old,${SECRET}`, CANCELLATION_WINDOW: '10m' }, {});

const { call, place } = system;

const get = (id: string): Promise<OrderDto> => call('orders.get', { id });

async function comesTo(id: string, wanted: Partial<OrderDto>): Promise<OrderDto> {
	return eventually(async () => {
		const order = await get(id);
		expect(order).toMatchObject(wanted);
		return order;
	});
}

const intentOf = (orderId: string) => {
	const [intent] = system.standIn.intentsOf(orderId);
	if (intent === undefined) throw new Error('Stripe has no payment of this order');
	return intent;
};

/** The latest event of this type about an order's payment. */
const eventOf = (type: string, { id }: { readonly id: string }): EventRow => {
	const intent = intentOf(id).id;
	const event = system.standIn.account.events.findLast(
		({ type: its, data }) => its === type && JSON.stringify(data).includes(`"${intent}"`),
	);
	if (event === undefined) throw new Error(`Stripe has told no ${type}`);
	return event;
};

async function post(event: object, sign: { secret?: string; timestamp?: number } = {}): Promise<number> {
	const payload = JSON.stringify(event);
	const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET, ...sign });
	const headers = { 'stripe-signature': signature };
	return (await fetch(`${system.application.url}/webhooks/stripe`, { method: 'POST', body: payload, headers })).status;
}

/** What the messages have left behind: their names, and how often Stripe was to be asked because of them. */
async function traces(): Promise<{ handled: number; asked: number }> {
	const [row] = await system.database.query<{ handled: number; asked: number }>(
		`SELECT (SELECT count(*)::int FROM inbox_messages WHERE consumer = 'provider') AS handled,
			(SELECT count(*)::int FROM outbox_messages WHERE type = 'PaymentDue') AS asked`,
	);
	return row ?? { handled: Number.NaN, asked: Number.NaN };
}

/** How many questions and calls about this payment Stripe has had. */
const requests = (orderId: string): number =>
	Object.values(system.standIn.book().get(orderId)?.requests ?? {}).reduce((sum, count) => sum + count, 0);

describe('an order whose buyer has to act', () => {
	it('goes on as soon as Stripe says that the buyer has acted', async () => {
		const { id } = await place(NEEDS_BUYER);
		const { paymentAction } = await comesTo(id, { paymentStatus: 'ActionRequired' });
		expect(paymentAction).toMatchObject({ type: 'client_secret', clientSecret: intentOf(id).clientSecret });
		authenticate(system.standIn.account, intentOf(id).id, 'succeeded');
		expect(await post(eventOf('payment_intent.amount_capturable_updated', { id }))).toBe(204);
		const order = await comesTo(id, { paymentStatus: 'Authorized', status: 'Pending', paymentAction: null });
		expect(order.captureBefore).not.toBeNull();
		expect(await traces()).toEqual({ handled: 1, asked: 1 });
	});

	it('fails as soon as Stripe says that the buyer has failed', async () => {
		const { id } = await place(NEEDS_BUYER);
		await comesTo(id, { paymentStatus: 'ActionRequired' });
		authenticate(system.standIn.account, intentOf(id).id, 'failed');
		expect(await post(eventOf('payment_intent.payment_failed', { id }))).toBe(204);
		await comesTo(id, { status: 'PaymentFailed', paymentStatus: 'Declined', paymentAction: null });
	});

	it('takes an event once, however often and by however many it comes', async () => {
		const { id } = await place(NEEDS_BUYER);
		await comesTo(id, { paymentStatus: 'ActionRequired' });
		// What the event says has not happened: the buyer still has to act.
		const event = { ...eventOf('payment_intent.requires_action', { id }), type: 'payment_intent.payment_failed' };
		const answers = await Promise.all(Array.from({ length: 8 }, () => post(event)));
		expect(answers).toEqual(answers.map(() => 204));
		expect(await post(event)).toBe(204);
		expect(await traces()).toEqual({ handled: 1, asked: 1 });
		expect(await get(id)).toMatchObject({ status: 'Pending', paymentStatus: 'ActionRequired' });
		// A second event of the same is no harm either.
		const before = requests(id);
		expect(await post({ ...event, id: 'evt_twin' })).toBe(204);
		expect(await traces()).toEqual({ handled: 2, asked: 2 });
		await until(() => requests(id) > before, 'Stripe was asked');
		expect(await get(id)).toMatchObject({ status: 'Pending', paymentStatus: 'ActionRequired' });
	});

	it('ends by asking where no webhook comes', async () => {
		const placed = await Promise.all(
			['succeeded', 'failed', 'never'].map(() => place({ ...NEEDS_BUYER, cancellationWindow: '3s' })),
		);
		const [good, bad, idle] = placed.map(({ id }) => id) as [string, string, string];
		for (const id of [good, bad, idle]) await comesTo(id, { paymentStatus: 'ActionRequired' });
		authenticate(system.standIn.account, intentOf(good).id, 'succeeded');
		authenticate(system.standIn.account, intentOf(bad).id, 'failed');
		await comesTo(good, { status: 'Shipped', paymentStatus: 'Captured' });
		await comesTo(bad, { status: 'PaymentFailed', paymentStatus: 'Declined' });
		await comesTo(idle, { status: 'Cancelled', paymentStatus: 'Voided', paymentAction: null });
		expect(intentOf(idle).status).toBe('canceled');
		expect(await traces()).toMatchObject({ handled: 0 });
	});
});

describe('an order whose money is held', () => {
	it('is not asked about because Stripe says what is known', async () => {
		const { id } = await place();
		await comesTo(id, { paymentStatus: 'Authorized' });
		const before = requests(id);
		for (const type of ['payment_intent.created', 'payment_intent.amount_capturable_updated'])
			expect(await post(eventOf(type, { id }))).toBe(204);
		expect(await traces()).toEqual({ handled: 0, asked: 0 });
		expect(requests(id)).toBe(before);
	});

	it.each(['payment_intent.canceled', 'charge.expired'])('fails as soon as %s says that it is let go', async (type) => {
		const { id } = await place();
		await comesTo(id, { paymentStatus: 'Authorized' });
		system.standIn.advance(8 * DAY);
		expect(await post(eventOf(type, { id }))).toBe(204);
		await comesTo(id, { status: 'PaymentFailed', paymentStatus: 'Failed' });
		expect(system.standIn.book().get(id)).toMatchObject({ captured: 0 });
	});

	it('fails also while it is paused', async () => {
		const { id } = await place();
		await comesTo(id, { paymentStatus: 'Authorized' });
		await call('orders.hold', { id });
		system.standIn.advance(8 * DAY);
		expect(await post(eventOf('charge.expired', { id }))).toBe(204);
		await comesTo(id, { status: 'PaymentFailed', paymentStatus: 'Failed', heldUntil: null });
		expect(system.standIn.book().get(id)).toMatchObject({ captured: 0 });
	});

	it('fails at due where nobody said so, and is never captured or shipped', async () => {
		const { id } = await place({ cancellationWindow: '3s' });
		await comesTo(id, { paymentStatus: 'Authorized' });
		system.standIn.advance(8 * DAY);
		const order = await comesTo(id, { status: 'PaymentFailed', paymentStatus: 'Failed', shippedAt: null });
		expect(order.failureReason).not.toBeNull();
		expect(system.standIn.book().get(id)).toMatchObject({ captured: 0 });
	});

	it('stays as it is when an event lies: it is the payment that is asked', async () => {
		const { id } = await place();
		await comesTo(id, { paymentStatus: 'Authorized' });
		const event = eventOf('payment_intent.amount_capturable_updated', { id });
		const before = requests(id);
		const lie = { ...event.data.object, status: 'canceled', cancellation_reason: 'automatic' };
		expect(await post({ ...event, type: 'payment_intent.canceled', data: { object: lie } })).toBe(204);
		await until(() => requests(id) > before, 'Stripe was asked');
		await until(async () => {
			const [row] = await system.database.query<{ operation: string | null }>('SELECT operation FROM payments');
			return row?.operation === null;
		}, 'the question has its answer');
		expect(await get(id)).toMatchObject({ status: 'Pending', paymentStatus: 'Authorized' });
		// The order goes on.
		await call('orders.cancel', { id });
		await comesTo(id, { status: 'Cancelled', paymentStatus: 'Voided' });
	});

	it('is not touched by what comes late, after its end', async () => {
		const { id } = await place();
		await comesTo(id, { paymentStatus: 'Authorized' });
		await call('orders.cancel', { id });
		await comesTo(id, { status: 'Cancelled' });
		const before = requests(id);
		for (const type of ['payment_intent.amount_capturable_updated', 'payment_intent.canceled', 'charge.refunded'])
			expect(await post(eventOf(type, { id }))).toBe(204);
		expect(await traces()).toEqual({ handled: 0, asked: 0 });
		expect([await get(id), requests(id)]).toMatchObject([{ status: 'Cancelled', paymentStatus: 'Voided' }, before]);
	});
});

describe('a refund that has succeeded', () => {
	it('is asked about again only where the news is of itself', async () => {
		const { id } = await place({ paymentMethod: 'pm_card_refundFail', cancellationWindow: '1s' });
		await comesTo(id, { status: 'Shipped' });
		for (const amount of ['5', '6', '7']) await call('orders.refund', { id, amount });
		await comesTo(id, { refundedAmount: '18' });
		const before = requests(id);
		for (const type of ['refund.created', 'charge.refunded']) expect(await post(eventOf(type, { id }))).toBe(204);
		expect([await traces(), requests(id)]).toEqual([{ handled: 0, asked: 0 }, before]);
		// The bank did not take the second one.
		const [, second] = system.standIn.account.refunds.values();
		if (second === undefined) throw new Error('Stripe has no second refund');
		settleRefund(system.standIn.account, second);
		expect(await post(eventOf('refund.failed', { id }))).toBe(204);
		await comesTo(id, { refundedAmount: '12', paymentStatus: 'PartiallyRefunded' });
		expect([await traces(), requests(id)]).toEqual([{ handled: 1, asked: 1 }, before + 1]);
	});
});

describe('what is not for us, or not from Stripe', () => {
	it('changes nothing, and is answered as the contract says', async () => {
		const { id } = await place();
		const other = await place();
		for (const order of [id, other.id]) await comesTo(order, { paymentStatus: 'Authorized' });
		system.standIn.advance(8 * DAY); // a question would end the order
		const event = eventOf('payment_intent.canceled', { id });
		const { object } = event.data;
		const about = (changes: object) => ({ ...event, data: { object: { ...object, ...changes } } });
		const unknown = '01999999-9999-7999-8999-999999999999';
		expect(await post(about({ metadata: {} }))).toBe(204);
		expect(await post(about({ metadata: { order_id: 'A-17' } }))).toBe(204);
		expect(await post(about({ metadata: { order_id: unknown } }))).toBe(204);
		expect(await post(about({ metadata: { order_id: other.id } }))).toBe(204);
		expect(await post(about({ id: 'pi_of_another_shop' }))).toBe(204);
		expect(await post({ ...event, type: 'customer.created' })).toBe(204);
		const now = Math.floor(Date.now() / 1_000);
		expect(await post(event, { secret: 'whsec_of_somebody_else' })).toBe(400);
		expect(await post(event, { timestamp: now - 600 })).toBe(400);
		expect(await post(event, { timestamp: now + 600 })).toBe(400);
		expect(await post({ ...event, livemode: true })).toBe(400);
		expect(await post({ ...event, livemode: true, type: 'customer.created' })).toBe(400);
		expect(await traces()).toEqual({ handled: 0, asked: 0 });
		for (const order of [id, other.id]) expect(await get(order)).toMatchObject({ status: 'Pending' });
		// The genuine one counts.
		expect(await post(event, { secret: 'whsec_old' })).toBe(204);
		await comesTo(id, { status: 'PaymentFailed' });
		expect(await get(other.id)).toMatchObject({ status: 'Pending' });
	});
});

it('an event that cannot be stored is answered 503, and counts when it comes again', async () => {
	const { id } = await place(NEEDS_BUYER);
	await comesTo(id, { paymentStatus: 'ActionRequired' });
	authenticate(system.standIn.account, intentOf(id).id, 'succeeded');
	const event = eventOf('payment_intent.amount_capturable_updated', { id });
	await system.database.takeDown();
	expect(await post(event)).toBe(503);
	await system.database.bringUp();
	await until(async () => (await post(event)) === 204, 'the event is stored');
	await comesTo(id, { paymentStatus: 'Authorized' });
});
