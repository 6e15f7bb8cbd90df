/** The check of what must be true at any instant can find something: calls of each kind that nobody had written down. */
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { halfDone } from '../../support/at-death.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';

const ORDER = '0199e0a0-0000-7000-8000-000000000001';
const REFUND = '0199e0a0-0000-7000-8000-000000000002';

let database: TestDatabase;

beforeAll(async () => {
	database = await startTestDatabase();
}, 60_000);
afterAll(() => database.stop());
beforeEach(() => database.reset());

const found = () => halfDone({ sql: (text) => database.query(text) });

const performed = (operation: string, key: string) =>
	database.query(`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
		VALUES ('${key}', '${ORDER}', '${operation}', 5, 'succeeded')`);

const payment = (status: string, intent = 'NULL, NULL, NULL, NULL') =>
	database.query(`INSERT INTO payments (order_id, status, operation, key_used_at, attempt_until, attempts)
		VALUES ('${ORDER}', '${status}', ${intent})`);

const refund = (status: string, intent = 'NULL, NULL, NULL, NULL') =>
	database.query(`INSERT INTO refunds (id, order_id, amount_minor, status, created_at,
			key_used_at, attempt_until, attempts, request_version)
		VALUES ('${REFUND}', '${ORDER}', 5, '${status}', now(), ${intent})`);

it('a wake-up that counts as sent and is nowhere', async () => {
	await database.query(`INSERT INTO outbox_messages (message_id, type, order_id, deliver_at, sent_at)
		VALUES ('${REFUND}', 'OrderDue', '${ORDER}', now() + interval '1 hour', now())`);
	expect(await found()).toEqual([`a wake-up that nobody carries: OrderDue of ${ORDER}`]);
	await database.query(`INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, body)
		SELECT 'deadlines', deliver_at, message_id, type, order_id, '{}' FROM outbox_messages`);
	expect(await found()).toEqual([]);
});

const complaint = (operation: string): string[] => [`a call without a stored intent: ${operation} of ${ORDER}`];

it.each([
	['authorize', 'Requested', 'Authorized'],
	['capture', 'Authorized', 'Captured'],
	['void', 'Authorized', 'Voided'],
])('%s', async (operation, before, after) => {
	await performed(operation, `${ORDER}:${operation}`);
	expect(await found()).toEqual(complaint(operation));
	await payment(before);
	expect(await found()).toEqual(complaint(operation));
	await database.query(`UPDATE payments SET status = '${after}'`);
	expect(await found()).toEqual([]);
	await database.query('DELETE FROM payments');
	await payment(before, `'${operation}', now(), now(), 1`);
	expect(await found()).toEqual([]);
});

it('a refund', async () => {
	await payment('Captured');
	await performed('refund', `${ORDER}:refund:${REFUND}`);
	expect(await found()).toEqual(complaint('refund'));
	await refund('Requested');
	expect(await found()).toEqual(complaint('refund'));
	await database.query('DELETE FROM refunds');
	await refund('Requested', 'now(), now(), 1, 1');
	expect(await found()).toEqual([]);
	for (const status of ['Succeeded', 'Failed']) {
		await database.query('DELETE FROM refunds');
		await refund(status);
		expect(await found()).toEqual([]);
	}
});
