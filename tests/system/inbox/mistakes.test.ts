/** A mistake in the program is found by its stack in the log, wherever its error ends up besides. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Carrier } from '../../../mixins/brokers/carrier.ts';
import { Inbox } from '../../../mixins/inbox/inbox.ts';
import { OutboxRelay } from '../../../mixins/outbox/relay.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';

const ENVELOPE = JSON.stringify({ specversion: '1.0', id: 'x', source: 'x', type: 'x' });

let database: TestDatabase;
beforeAll(async () => {
	database = await startTestDatabase();
}, 60_000);
afterAll(() => database.stop(), 60_000);

const stacks = (log: { readonly errors: readonly unknown[] }): (string | undefined)[] =>
	log.errors.map((error) => /^\s*at .*$/m.exec((error as Error).stack ?? '')?.[0]);

it('of a handler, once, beside the failures that become dead letters', async () => {
	const log = memoryLog();
	const inbox = new Inbox(database.database, { stored: () => {} }, log);
	const deliveries = Array.from({ length: 3 }, () => ({
		...{ id: newId(Date.now()), key: newId(Date.now()), type: 'OrderDue', body: ENVELOPE, deliverAt: null, attempt: 1 },
	}));
	const { failures } = await inbox.handle('deadlines.handle', 'deadlines', deliveries, () => null);
	expect(failures.map(({ error }) => error)).toEqual(deliveries.map(({ key }) => `no order ${key}`));
	expect(log.lines).toEqual([expect.stringMatching(/^error deadlines cannot handle a message: no order /)]);
	expect(stacks(log)).toEqual([expect.stringContaining('inbox.ts')]);
});

it('of a carrier, once, while its messages go again', async () => {
	await database.query(
		`INSERT INTO outbox_messages (message_id, type, order_id, deliver_at)
		VALUES (gen_random_uuid(), 'OrderDue', gen_random_uuid(), now())`,
	);
	const log = memoryLog();
	const carrier: Carrier = {
		early: 0,
		publish: async (messages) => (messages as unknown as { readonly x: { readonly y: [] } }).x.y,
		subscribe: () => ({ sinceLastBeat: 0, close: async () => {} }),
		close: async () => {},
	};
	await new OutboxRelay(database.database, carrier, log).step();
	expect(log.lines).toEqual([expect.stringMatching(/^error messages were not published: Cannot read properties/)]);
	expect(stacks(log)).toEqual([expect.stringContaining('mistakes.test.ts')]);
});
