/** Where carrier and handler share the database, taking, handling and acknowledging are one transaction. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { BatchHandler, Subscription } from '../../../mixins/brokers/index.ts';
import { PostgresCarrier } from '../../../mixins/brokers/postgres/index.ts';
import type { Statement, Transaction } from '../../../mixins/database/index.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const GROUP = 'first';
const TOPOLOGY = { consumers: { [GROUP]: ['OrderDue'] }, types: ['OrderDue'] };

let database: TestDatabase;
let carrier: PostgresCarrier;
let subscription: Subscription;

beforeAll(async () => {
	database = await startTestDatabase();
	await database.query('CREATE TABLE notes (id uuid PRIMARY KEY, attempt int CHECK (attempt < 2))');
}, 60_000);
afterAll(() => database.stop(), 60_000);
beforeEach(async () => {
	await database.query('TRUNCATE notes');
	carrier = new PostgresCarrier(database.database, TOPOLOGY, memoryLog());
});

const note = (id: string, attempt: number): Statement => ({
	name: 'note',
	text: 'INSERT INTO notes SELECT $1, $2',
	values: [id, attempt],
});
const notes = () => database.query<{ id: string; attempt: number }>('SELECT id, attempt FROM notes');

/** Sends one message and has it handled; returns what each call of the handler was given. */
async function handled(handle: (id: string, within: Transaction | undefined, call: number) => void) {
	const calls: { readonly attempt: number; readonly together: boolean }[] = [];
	const id = newId(Date.now());
	const handler: BatchHandler = async (deliveries, within) => {
		for (const delivery of deliveries) {
			calls.push({ attempt: delivery.attempt, together: within !== undefined });
			handle(delivery.id, within, calls.length);
		}
		return [];
	};
	subscription = carrier.subscribe(GROUP, handler);
	await carrier.publish([{ id, type: 'OrderDue', key: newId(Date.now()), body: '{}', deliverAt: null, delay: 0 }]);
	await until(async () => calls.length > 0 && (await database.query('SELECT FROM carrier_messages')).length === 0);
	await subscription.close();
	return { id, calls };
}

describe('what a handler writes in the transaction that has taken its messages', () => {
	it('is committed with the acknowledgement', async () => {
		const { id, calls } = await handled((message, within) => within?.write(note(message, 1)));
		expect(calls).toEqual([{ attempt: 1, together: true }]);
		expect(await notes()).toEqual([{ id, attempt: 1 }]);
	});

	it.each([
		[
			'where the handler throws',
			(id: string, within: Transaction | undefined): void => {
				within?.write(note(id, 1));
				if (within !== undefined) throw new Error('not like this');
			},
		],
		['where its commit is refused', (id: string, within: Transaction | undefined): void => within?.write(note(id, 2))],
	])('is undone %s, and the handler is called once more without it', async (_, handle) => {
		const { calls } = await handled(handle);
		expect(calls).toEqual([
			{ attempt: 1, together: true },
			{ attempt: 1, together: false },
		]);
		expect(await notes()).toEqual([]);
	});

	it('tells its observers which of both it was', async () => {
		const told: string[] = [];
		await handled((id, within, call) => {
			within?.afterCommit(() => told.push(`call ${call} committed`));
			within?.afterFailure((error) => told.push(`call ${call} failed: ${(error as Error).message}`));
			within?.write(note(id, 2));
		});
		expect(told).toEqual([expect.stringMatching(/^call 1 failed: .*notes_attempt_check/)]);
		await handled((_id, within, call) => within?.afterCommit(() => told.push(`call ${call} committed`)));
		expect(told[1]).toBe('call 1 committed');
	});
});
