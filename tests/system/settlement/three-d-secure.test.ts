/** 3-D Secure from the order to its end: the bank waits for the buyer, who acts, or does not. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import Stripe from 'stripe';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import { freshSystem } from '../../support/stripe/fresh-system.ts';
import { authenticate } from '../../support/stripe/intents.ts';
import { eventually, until } from '../../support/until.ts';

const SECRET = 'whsec_of_this_test';
const WINDOW = '4s';

const system = freshSystem({ STRIPE_WEBHOOK_SECRET: SECRET, PROVIDER_TIMEOUT: '2s' });

async function ask(method: string, path: string, body?: object): Promise<{ status: number; order: OrderDto }> {
	const res = await fetch(`${system.application.url}${path}`, {
		method,
		headers: body === undefined ? {} : { 'content-type': 'application/json' },
		body: body === undefined ? null : JSON.stringify(body),
	});
	return { status: res.status, order: (await res.json()) as OrderDto };
}

async function comesTo(id: string, wanted: Partial<OrderDto>): Promise<OrderDto> {
	return eventually(
		async () => {
			const { order } = await ask('GET', `/orders/${id}`);
			expect(order).toMatchObject(wanted);
			return order;
		},
		`${id} is ${JSON.stringify(wanted)}`,
	);
}

async function place(more: object = {}): Promise<string> {
	const paymentMethod = 'pm_card_threeDSecure2Required';
	const body = { productName: 'Tea', amount: 19.9, paymentMethod, cancellationWindow: WINDOW, ...more };
	const { status, order } = await ask('POST', '/orders', body);
	expect(status).toBe(201);
	return order.id;
}

/** An order whose buyer has to act. */
async function waiting(more: object = {}): Promise<string> {
	const id = await place(more);
	await comesTo(id, { paymentStatus: 'ActionRequired', status: 'Pending' });
	return id;
}

const intentOf = (id: string) => {
	const [intent] = system.standIn.intentsOf(id);
	if (intent === undefined) throw new Error('Stripe has no payment of this order');
	return intent;
};

const acts = (id: string, outcome: 'succeeded' | 'failed'): boolean =>
	authenticate(system.standIn.account, intentOf(id).id, outcome);

/** Sends every event, as soon as it happens, until it is taken. */
function sendEvents(): void {
	system.standIn.account.on('event', (event) => {
		const payload = JSON.stringify(event);
		const send = async (): Promise<number> => {
			const headers = { 'stripe-signature': Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET }) };
			return (await fetch(`${system.application.url}/webhooks/stripe`, { method: 'POST', body: payload, headers }))
				.status;
		};
		until(async () => (await send()) === 204, 'the event is taken').catch(() => {}); // the test is over
	});
}

const deeds = (id: string): string[] =>
	system.standIn.account.moves.filter(({ orderId }) => orderId === id).map(({ deed, outcome }) => `${deed} ${outcome}`);

describe.each([
	['with webhooks', sendEvents],
	['without webhooks', () => {}],
])('an order whose buyer has to act, %s', (_, begin) => {
	beforeEach(begin);

	it('ships if the buyer succeeds, fails if the buyer fails, and is cancelled if the buyer does nothing', async () => {
		const [good, bad, idle] = await Promise.all([waiting(), waiting(), waiting()]);
		expect([acts(good, 'succeeded'), acts(bad, 'failed')]).toEqual([true, true]);
		await comesTo(good, { status: 'Shipped', paymentStatus: 'Captured', paymentAction: null });
		expect(deeds(good)).toEqual(['authorize succeeded', 'capture succeeded']);
		await comesTo(bad, { status: 'PaymentFailed', paymentStatus: 'Declined', paymentAction: null, shippedAt: null });
		// Another card in the same browser comes too late.
		await until(() => intentOf(bad).status === 'canceled', 'nothing is left at Stripe');
		expect(acts(bad, 'succeeded')).toBe(false);
		expect(deeds(bad)).toEqual(['authorize declined', 'cancel succeeded']);
		const { pendingUntil, cancelledAt } = await comesTo(idle, { status: 'Cancelled', paymentStatus: 'Voided' });
		expect(Date.parse(cancelledAt ?? '')).toBeGreaterThanOrEqual(Date.parse(pendingUntil));
		expect(intentOf(idle).status).toBe('canceled');
		// It is too late now, at the bank too.
		expect(acts(idle, 'succeeded')).toBe(false);
		expect(deeds(idle)).toEqual(['cancel succeeded']);
	});

	it('can be cancelled meanwhile, after which the buyer can no longer pay', async () => {
		const id = await waiting({ cancellationWindow: '10m' });
		expect((await ask('POST', `/orders/${id}/cancel`)).status).toBe(202);
		await comesTo(id, { status: 'Cancelled', paymentStatus: 'Voided', paymentAction: null });
		expect([acts(id, 'succeeded'), intentOf(id).status]).toEqual([false, 'canceled']);
		expect(deeds(id)).toEqual(['cancel succeeded']);
	});

	it('is voided if the buyer acts and cancels at once, whichever is heard first', async () => {
		const ids = await Promise.all(Array.from({ length: 4 }, () => waiting({ cancellationWindow: '10m' })));
		await Promise.all(
			ids.map(async (id, place) => {
				if (place % 2 === 0) acts(id, 'succeeded');
				const cancelled = ask('POST', `/orders/${id}/cancel`);
				if (place % 2 === 1) acts(id, 'succeeded');
				expect((await cancelled).status).toBe(202);
			}),
		);
		for (const id of ids) {
			await comesTo(id, { status: 'Cancelled', paymentStatus: 'Voided' });
			expect(intentOf(id).status).toBe('canceled');
			expect(deeds(id)).not.toContain('capture succeeded');
		}
	});

	it('that fails holds nothing, though its buyer pays with another card at once', async () => {
		const id = await waiting({ cancellationWindow: '10m' });
		expect([acts(id, 'failed'), acts(id, 'failed')]).toEqual([true, true]);
		system.standIn.faults.order('cancel', 'timeout before');
		system.standIn.faults.order('cancel', 'error before');
		await comesTo(id, { status: 'PaymentFailed', paymentStatus: 'Declined' });
		acts(id, 'succeeded');
		await until(() => intentOf(id).status === 'canceled', 'nothing is left at Stripe');
		await comesTo(id, { status: 'PaymentFailed', paymentStatus: 'Declined' });
		expect(system.standIn.book().get(id)).toMatchObject({ held: 0, captured: 0 });
		const ended = async () =>
			(await system.database.query('SELECT FROM orders WHERE sweep_at IS NOT NULL')).length === 0;
		await until(ended, 'nothing more is asked for');
	});

	it('can be paused meanwhile: the buyer acts, resumes, and it ships', async () => {
		const id = await waiting();
		expect(await ask('POST', `/orders/${id}/hold`)).toMatchObject({ status: 200, order: { status: 'OnHold' } });
		acts(id, 'succeeded');
		await comesTo(id, { status: 'OnHold', paymentStatus: 'Authorized' });
		expect((await ask('POST', `/orders/${id}/resume`)).status).toBe(200);
		await comesTo(id, { status: 'Shipped', paymentStatus: 'Captured' });
	});

	it('fails if that is first seen when it is confirmed', async () => {
		system.standIn.faults.order('create', 'timeout after');
		const id = await place({ cancellationWindow: '1s' });
		await comesTo(id, { status: 'PaymentFailed', paymentAction: null, shippedAt: null });
		await until(() => intentOf(id).status === 'canceled', 'nothing is left at Stripe');
		expect(deeds(id)).toEqual(['cancel succeeded']);
	});
});
