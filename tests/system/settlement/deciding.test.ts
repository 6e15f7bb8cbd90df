import { describe, expect, it } from '@jest/globals';
import type { OrderDto } from '../../../services/orders/order-dto.ts';
import type { History } from '../../../services/orders/reading.ts';
import type { UndecidedPayment } from '../../../services/settlement/undecided.ts';
import { META } from '../../support/application.ts';
import { freshSystem } from '../../support/fresh-system.ts';
import { until } from '../../support/until.ts';

const system = freshSystem();
const { call, get, reaches } = system;

const list = async (params: object = {}): Promise<readonly UndecidedPayment[]> =>
	(await call<{ data: UndecidedPayment[] }>('payments.list', params)).data;
const historyOf = (id: string): Promise<History> => call('orders.history', { id });
const types = async (id: string): Promise<string[]> => (await historyOf(id)).data.map(({ type }) => type);
const resolve = (orderId: string, outcome: string, more: object = {}, meta: object = META): Promise<OrderDto> =>
	call('payments.resolve', { orderId, outcome, note: 'seen at the provider', ...more }, meta);

/** An order whose authorisation the provider knows nothing of, under a key that has aged. */
async function forgotten(): Promise<string> {
	const order = { productName: 'Tea', amount: '19.90', cancellationWindow: '10m' };
	const { id } = await call<OrderDto>('orders.create', order);
	await until(async () => (await get(id)).paymentStatus === 'Authorized');
	await system.database.query('DELETE FROM sandbox_operations WHERE order_id = $1', [id]);
	await system.database.query(
		`WITH p AS (UPDATE payments SET status = 'Unknown', operation = 'authorize', attempts = 1, key_number = 1,
			request_version = 1, reference = NULL, key_used_at = now() - interval '24 hours', attempt_until = now()
			WHERE order_id = $1)
		UPDATE orders SET sweep_at = now() WHERE id = $1`,
		[id],
	);
	await until(async () => (await list()).some(({ orderId }) => orderId === id), 'it is in the list');
	return id;
}

/** As if somebody had captured the money of a cancelled order behind our back. */
async function notVoided(): Promise<string> {
	const order = { productName: 'Tea', amount: '19.90', cancellationWindow: '10m' };
	const { id } = await call<OrderDto>('orders.create', order);
	await until(async () => (await get(id)).paymentStatus === 'Authorized');
	await system.database.query(
		`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
		VALUES ($1::text, $2, 'capture', 1990, 'succeeded')`,
		[`by hand ${id}`, id],
	);
	await call('orders.cancel', { id });
	await until(async () => (await get(id)).paymentStatus === 'Unknown');
	return id;
}

/** In the pauses between the calls that go on, a decision is refused while one is under way. */
const resolved = (id: string, outcome: string): Promise<unknown> =>
	until(() =>
		resolve(id, outcome).catch((error: Error) => {
			if (!/under way/.test(error.message)) throw error;
		}),
	);

describe('payments.list', () => {
	it('shows what may need a person, the oldest first, and nothing else', async () => {
		expect(await list()).toEqual([]);
		const [first, second] = [await forgotten(), await notVoided()];
		const since = expect.stringMatching(/^\d{4}-.*Z$/);
		expect(await list()).toEqual([
			{ orderId: first, refundId: null, status: 'Unknown', operation: 'authorize', since },
			{ orderId: second, refundId: null, status: 'Unknown', operation: 'void', since },
		]);
		expect(await list({ status: 'ActionRequired' })).toEqual([]);
		expect(await list({ status: 'Unknown', olderThan: '1h' })).toEqual([]);
		await system.database.query(
			`UPDATE payments SET undecided_since = now() - interval '2 hours' WHERE order_id = $1`,
			[first],
		);
		expect(await list({ olderThan: '1h' })).toMatchObject([{ orderId: first }]);
		const figures = (await system.application.platform.metrics.expose()).body;
		expect(figures).toMatch(/^payments_undecided 2$/m);
		expect(figures).toMatch(/^payments_undecided_oldest_age_seconds 72\d\d/m);
		expect(figures).toMatch(/^payments_unknown 2$/m);
		expect(figures).toMatch(/^payments_unknown_oldest_age_seconds 72\d\d/m);
		await expect(list({ olderThan: 'long' })).rejects.toMatchObject({ type: 'VALIDATION_ERROR' });
		await expect(list({ status: 'Captured' })).rejects.toMatchObject({ type: 'VALIDATION_ERROR' });
	});

	it('and payments.resolve are for operators alone', async () => {
		const id = await forgotten();
		const buyer = { caller: { subject: META.caller.subject, scopes: [] } };
		for (const [meta, type] of [
			[buyer, 'Auth.ScopeMissing'],
			[{}, 'Auth.CallerMissing'],
		] as const) {
			await expect(call('payments.list', {}, meta)).rejects.toMatchObject({ type });
			await expect(resolve(id, 'declined', {}, meta)).rejects.toMatchObject({ type });
		}
		expect((await get(id)).paymentStatus).toBe('Unknown');
	});
});

describe('payments.resolve', () => {
	it('ends an order whose authorisation was declined, once, however often it is said', async () => {
		const id = await forgotten();
		await resolved(id, 'declined');
		const decided = await resolve(id, 'declined');
		expect(decided).toMatchObject({ id, status: 'PaymentFailed', paymentStatus: 'Declined' });
		expect(await Promise.all([1, 2, 3].map(() => resolve(id, 'declined')))).toEqual([decided, decided, decided]);
		const { data } = await historyOf(id);
		expect(data.slice(-2)).toMatchObject([
			{
				type: 'PaymentResolved',
				data: { by: 'tester', note: 'seen at the provider', operation: 'authorize', outcome: 'declined' },
			},
			{ type: 'PaymentDeclined' },
		]);
		expect(data.filter(({ type }) => type === 'PaymentResolved')).toHaveLength(1);
		await expect(resolve(id, 'authorized', { reference: 'auth_1' })).rejects.toMatchObject({
			...{ code: 409, type: 'Orders.InvalidState' },
			message: 'The payment is Declined: there is nothing to decide.',
		});
		expect(await list()).toEqual([]);
	});

	it('lets the order of an authorisation that is there go on: it is captured and shipped', async () => {
		const id = await forgotten();
		await until(() =>
			resolve(id, 'authorized').then(
				() => true,
				(error: Error) => /"reference"/.test(error.message),
			),
		);
		expect((await get(id)).paymentStatus).toBe('Unknown');
		await system.database.query(
			`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			VALUES ($1::uuid || ':authorize', $1, 'authorize', 1990, 'succeeded')`,
			[id],
		);
		await until(() => resolve(id, 'authorized', { reference: `auth_${id}` }).catch(() => undefined));
		expect((await get(id)).paymentStatus).toBe('Authorized');
		await system.database.query(`UPDATE orders SET pending_until = now(), sweep_at = now() WHERE id = $1`, [id]);
		await reaches(id, 'Shipped');
	});

	it('never takes the money of a cancelled order; once it is released there, the order ends', async () => {
		const id = await notVoided();
		for (const outcome of ['captured', 'failed', 'authorized']) {
			await until(async () => {
				const said = await resolve(id, outcome).catch(({ code, message }) => `${code} ${message}`);
				if (typeof said !== 'string') throw new Error(`${outcome} was accepted`);
				return /^409 .*never taken/.test(said);
			});
		}
		expect(await get(id)).toMatchObject({ status: 'CancelRequested', paymentStatus: 'Unknown' });
		await resolved(id, 'voided');
		await reaches(id, 'Cancelled');
		expect((await types(id)).slice(-3)).toEqual(['PaymentResolved', 'PaymentVoided', 'OrderCancelled']);
	});

	it('asks the provider first: what it says clearly counts, and a decision against it is refused', async () => {
		const id = await forgotten();
		// It has turned up there after all.
		await system.database.query(
			`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			VALUES ($1::uuid || ':authorize', $1, 'authorize', 1990, 'succeeded')`,
			[id],
		);
		const said = await until(() =>
			resolve(id, 'declined').then(
				() => 'accepted',
				(error: Error) => (/under way/.test(error.message) ? undefined : error.message),
			),
		);
		// By then the provider was asked for the decision, or by the sweeper just before.
		expect(said).toMatch(/says that the authorize was done|there is nothing to decide/);
		expect(await get(id)).toMatchObject({ status: 'Pending', paymentStatus: 'Authorized' });
		expect(await types(id)).not.toContain('PaymentResolved');
	});

	it('never ships an order whose money was not taken, whatever is said', async () => {
		await call('consumers.pause', { group: 'settlement' });
		await until(async () => {
			const { degraded } = (await (await fetch(`${system.application.url}/health/ready`)).json()) as {
				degraded: object[];
			};
			return degraded.length > 0;
		});
		const { id } = await call<OrderDto>('orders.create', { productName: 'Tea', amount: '19.90' });
		await reaches(id, 'Confirmed');
		await system.database.query(
			`WITH p AS (INSERT INTO payments (order_id, status, reference, operation, attempts, key_number, request_version,
					key_used_at, attempt_until, undecided_since)
				VALUES ($1, 'Unknown', 'auth_' || $1::uuid, 'capture', 1, 1, 1, now(), now(), now()))
			INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			VALUES ($1::uuid || ':authorize', $1, 'authorize', 1990, 'succeeded')`,
			[id],
		);
		await expect(resolve(id, 'captured')).rejects.toMatchObject({
			...{ code: 409, type: 'Orders.InvalidState' },
			message: 'The provider was asked, and says that the capture was not done. That counts, and not "captured".',
		});
		expect(await get(id)).toMatchObject({ status: 'Confirmed', paymentStatus: 'Unknown' });
		await call('consumers.resume', { group: 'settlement' });
		await reaches(id, 'Shipped');
		const done = await system.database.query(
			`SELECT FROM sandbox_operations WHERE order_id = $1 AND operation = 'capture'`,
			[id],
		);
		expect(done).toHaveLength(1);
	});

	it('ends at the provider what still waits for the buyer, whom nobody wants to wait for any longer', async () => {
		const order = {
			productName: 'Tea',
			amount: '19.90',
			paymentMethod: 'card_authentication',
			cancellationWindow: '10m',
		};
		const { id } = await call<OrderDto>('orders.create', order);
		await until(async () => (await get(id)).paymentStatus === 'ActionRequired');
		await resolved(id, 'declined');
		expect(await get(id)).toMatchObject({ status: 'PaymentFailed', paymentStatus: 'Declined', paymentAction: null });
		const notes = await system.database.query('SELECT ended_as FROM sandbox_memory WHERE order_id = $1', [id]);
		expect(notes).toEqual([{ ended_as: 'cancelled' }]);
	});

	it('knows no order that is not there, and says what is wrong with its parameters', async () => {
		const nobody = '01a204ea-7a9f-7000-8000-055d243c1f4d';
		await expect(resolve(nobody, 'declined')).rejects.toMatchObject({ type: 'Orders.NotFound' });
		for (const wrong of [{ note: '' }, { outcome: 'lost' }, { orderId: 'x' }, { reference: '' }, { more: 1 }])
			await expect(resolve(nobody, 'declined', wrong)).rejects.toMatchObject({ code: 422 });
	});
});

describe('the attempts of a payment', () => {
	it('stand in the events of their ends', async () => {
		const order = { productName: 'Tea', amount: '19.90', paymentMethod: 'card_flaky' };
		const { id } = await call<OrderDto>('orders.create', order);
		await reaches(id, 'Shipped');
		const { data, attempts, paymentPage } = await historyOf(id);
		const attemptsOf = (wanted: string): unknown => data.find(({ type }) => type === wanted)?.data.attempts;
		const [authorized, captured] = [attemptsOf('PaymentAuthorized'), attemptsOf('PaymentCaptured')];
		expect(authorized).toMatchObject([
			{ operation: 'authorize', attempt: 1, key: `${id}:authorize`, outcome: 'unknown', by: 'call' },
			{ operation: 'authorize', attempt: 2, outcome: 'succeeded', by: 'find', reference: `auth_${id}` },
		]);
		expect(captured).toMatchObject([
			{ operation: 'capture', attempt: 1, outcome: 'unknown', by: 'call', key: `${id}:capture` },
			{ operation: 'capture', attempt: 2, outcome: 'succeeded', by: 'find' },
		]);
		expect(attempts).toEqual([]);
		expect(paymentPage).toBe(system.application.platform.provider.pageOf(`auth_${id}`));
	});

	it('whose end is not known stand beside the events', async () => {
		const id = await notVoided();
		const { attempts } = await historyOf(id);
		expect(attempts[0]).toMatchObject({ operation: 'void', attempt: 1, key: `${id}:void`, outcome: 'refused' });
		await resolved(id, 'voided');
		const { data, attempts: left } = await historyOf(id);
		expect(left).toEqual([]);
		const voided = data.find(({ type }) => type === 'PaymentVoided');
		expect(voided?.data).toMatchObject({ attempts: expect.arrayContaining([attempts[0]]) });
	});
});
