/** A person decides, and Stripe is asked first: it knows better, waits for the buyer, does not answer, or we die meanwhile. */
import { expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { History } from '../../../services/orders/reading.ts';
import { System } from '../../support/process.ts';
import { freshSystem } from '../../support/stripe/fresh-system.ts';
import { StripeStandIn } from '../../support/stripe/stand-in.ts';
import { PATIENCE, until } from '../../support/until.ts';

const LONG = { cancellationWindow: '10m' };
const BY_THE_BUYER = { ...LONG, paymentMethod: 'pm_card_threeDSecure2Required' };

const system = freshSystem({ PROVIDER_TIMEOUT: '2s' });
const { call, place } = system;

const get = (id: string): Promise<OrderDto> => call('orders.get', { id });
const isPaid = async (id: string, paymentStatus: OrderDto['paymentStatus']): Promise<boolean> =>
	(await get(id)).paymentStatus === paymentStatus;
const decisions = async (id: string): Promise<number> =>
	(await call<History>('orders.history', { id })).data.filter(({ type }) => type === 'PaymentResolved').length;

/** In the pauses between the calls that go on, a decision is refused while one is under way. */
async function resolved(orderId: string, outcome: string): Promise<OrderDto> {
	const answer = await until(async () => {
		const decided = call<OrderDto>('payments.resolve', { orderId, outcome, note: 'said on the phone' });
		const [one] = await Promise.allSettled([decided]);
		return one.status === 'rejected' && /under way|has changed/.test(one.reason.message) ? undefined : one;
	}, `${orderId} is decided`);
	if (answer.status === 'rejected') throw answer.reason;
	return answer.value;
}

/** An order whose money Stripe holds, without having said so. */
async function notTold(): Promise<string> {
	system.standIn.faults.order('create', 'timeout after');
	const { id } = await place(LONG);
	await until(() => system.standIn.intentsOf(id).length === 1, 'Stripe has the payment');
	system.standIn.isSilent = true;
	await until(() => isPaid(id, 'Unknown'), 'its payment is unknown');
	return id;
}

it('what Stripe says counts, and not a decision against it', async () => {
	const id = await notTold();
	system.standIn.isSilent = false;
	// It is asked for the decision, or was by the sweeper just before.
	await expect(resolved(id, 'declined')).rejects.toThrow(/says that the authorize was done|nothing to decide/);
	expect(await get(id)).toMatchObject({ status: 'Pending', paymentStatus: 'Authorized' });
	expect(await decisions(id)).toBe(0);
});

it('where Stripe does not answer, the decision holds, and money that is held all the same is released', async () => {
	const id = await notTold();
	expect(await resolved(id, 'declined')).toMatchObject({ status: 'PaymentFailed', paymentStatus: 'Declined' });
	system.standIn.isSilent = false;
	expect(system.standIn.book().get(id)).toMatchObject({ held: 1990 });
	await until(async () => {
		await call('settlement.reconcile', {});
		return system.standIn.book().get(id)?.held === 0;
	}, 'the money is released');
	expect(system.standIn.book().get(id)).toMatchObject({ captured: 0, released: 1990 });
	expect(await decisions(id)).toBe(1);
}, 120_000);

it('what still waits for the buyer is ended at Stripe', async () => {
	const { id } = await place(BY_THE_BUYER);
	await until(() => isPaid(id, 'ActionRequired'), 'it waits for the buyer');
	expect(await resolved(id, 'declined')).toMatchObject({ status: 'PaymentFailed', paymentAction: null });
	expect(system.standIn.intentsOf(id)).toMatchObject([{ status: 'canceled' }]);
});

it(
	'a process that dies between the question and the answer has decided nothing, and the next one can',
	async () => {
		const standIn = await StripeStandIn.open({ patience: 2_000 });
		const apart = await System.create({ ...standIn.settings, PROVIDER_TIMEOUT: '2s', LOG_LEVEL: 'warn' });
		const ask = async (path: string, body?: object): Promise<{ status: number; order: OrderDto }> => {
			const headers = { 'content-type': 'application/json', origin: apart.url() ?? '' };
			const how = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
			const answer = await fetch(`${apart.url()}${path}`, how);
			return { status: answer.status, order: (await answer.json()) as OrderDto };
		};
		try {
			const running = await apart.up();
			const { order } = await ask('/orders', { productName: 'Tea', amount: 19.9, ...BY_THE_BUYER });
			const paid = async (): Promise<string> => (await ask(`/orders/${order.id}`)).order.paymentStatus;
			await until(async () => (await paid()) === 'ActionRequired', 'it waits for the buyer');
			const decide = () =>
				ask('/console/api/resolve', { orderId: order.id, outcome: 'declined', note: 'said on the phone' });
			await until(() => standIn.underWay === 0, 'Stripe is asked nothing else');
			standIn.isSilent = true;
			const unanswered = decide().catch(() => undefined);
			await until(() => standIn.underWay > 0, 'Stripe is asked');
			await running.kill();
			expect(await unanswered).toBeUndefined();

			await apart.up();
			expect(await paid()).toBe('ActionRequired');
			standIn.isSilent = false;
			await until(async () => (await decide()).status === 200, 'the decision is taken');
			expect(await paid()).toBe('Declined');
			expect(standIn.intentsOf(order.id)).toMatchObject([{ status: 'canceled' }]);
			const events = `SELECT FROM order_events WHERE order_id = $1 AND type = 'PaymentResolved'`;
			expect(await apart.sql(events, [order.id])).toHaveLength(1);
		} finally {
			await apart.dispose();
			await standIn.close();
		}
	},
	3 * PATIENCE,
);
