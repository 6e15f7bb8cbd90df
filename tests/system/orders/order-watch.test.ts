/** The watch by itself, on a real database: who is told of what, and of nothing older than they know. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Database } from '../../../mixins/database/database.ts';
import type { OrderView } from '../../../mixins/database/reading/changed-orders.ts';
import type { Statement } from '../../../mixins/database/statement.ts';
import { OrderWatch } from '../../../services/orders/order-watch.ts';
import { memoryLog, startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const ID = '0198c0de-0000-7000-8000-000000000001';
const LONG = 40_000;

let server: TestDatabase;
let watch: OrderWatch;
/** Each statement passes here on its way to the database, and its answer on the way back. */
let intercept: (answer: () => Promise<unknown[]>, statement: Statement) => Promise<unknown[]>;

function passing(): Database {
	const database = server.open();
	const query = database.query.bind(database);
	database.query = <R extends object>(statement: Statement) =>
		intercept(() => query(statement), statement) as Promise<R[]>;
	return database;
}

beforeAll(async () => {
	server = await startTestDatabase();
});
afterAll(() => server.stop());

beforeEach(async () => {
	await server.reset();
	await server.query(
		`INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
			created_at, pending_until, sequence, sweep_at)
		VALUES ($1, 'tester', 'Tea', 100, 'USD', 'card_ok', 60000, 'Pending', now(), now(), 1, now())`,
		[ID],
	);
	intercept = (answer) => answer();
	watch = new OrderWatch(passing(), memoryLog(), { most: 3 });
	watch.start();
});
afterEach(() => watch.stop());

/** Waits until the reason is another than it was; each state that is shown is written down. */
function waiter(ticket?: string, timeout = LONG) {
	const shown: (string | null)[] = [];
	const isOver = ({ failureReason }: OrderView): boolean => {
		shown.push(failureReason);
		return shown[0] !== failureReason;
	};
	return { shown, answer: watch.wait({ orderId: ID, isOver, timeout, ticket }) };
}

const change = (reason: string): Promise<unknown> =>
	server.query('UPDATE orders SET failure_reason = $2 WHERE id = $1', [ID, reason]);

it('tells each of the same order of the same change, in one look', async () => {
	let looks = 0;
	intercept = (answer, { values }) => {
		if (String(values[1]) !== '{NULL}') looks += 1;
		return answer();
	};
	const all = [waiter(), waiter(), waiter()];
	await until(() => looks > 1, 'they wait');
	await change('new');
	const answers = await Promise.all(all.map(({ answer }) => answer));
	expect(answers.map((order) => order?.failureReason)).toEqual(['new', 'new', 'new']);
	expect(watch.size).toBe(0);
});

it('has places for so many; who comes then has an answer at once', async () => {
	const waiting = [waiter(), waiter(), waiter()];
	expect([watch.size, watch.isFull]).toEqual([3, true]);
	expect(await waiter().answer).toMatchObject({ id: ID });
	watch.endAll();
	expect(await Promise.all(waiting.map(({ answer }) => answer))).toMatchObject([{ id: ID }, { id: ID }, { id: ID }]);
	expect([watch.size, watch.isFull]).toEqual([0, true]);
});

it('ends the wait of a ticket, also one that has only just come', async () => {
	const [gone, stays] = [waiter('a'), waiter('b')];
	watch.end(['a', 'unknown']);
	expect(await gone.answer).toMatchObject({ id: ID });
	await until(() => stays.shown.length > 0, 'the other waits');
	expect(watch.size).toBe(1);
	watch.end(['b']);
	expect(await stays.answer).toMatchObject({ id: ID });
});

it('never answers with a state that is older than the one known', async () => {
	await change('old');
	const before = waiter();
	let release = (): void => {};
	const held = new Promise<void>((resolve) => {
		release = resolve;
	});
	let late = false;
	// A look whose answer is on its way for long: it was read before the change, and comes after it.
	intercept = async (answer, { values }) => {
		const rows = await answer();
		if (!late && !String(values[1]).includes('NULL')) {
			late = true;
			await held;
			// What it saw.
			return [{ id: ID, owner: 'tester', failureReason: 'old', version: 'older' }];
		}
		return rows;
	};
	await until(() => late, 'a look is on its way');
	await change('new');
	const after = waiter();
	await until(() => after.shown.length > 0, 'the other has read');
	release();
	expect((await before.answer)?.failureReason).toBe('new');
	const last = change('newest');
	expect((await after.answer)?.failureReason).toBe('newest');
	expect(after.shown).not.toContain('old');
	await last;
});

it(
	'looks at what it is told of without waiting for its turn',
	async () => {
		await watch.stop();
		let looks = 0;
		intercept = async (answer, { values }) => {
			const rows = await answer();
			if (String(values[1]) !== '{NULL}') looks += 1; // only now: what changes from here on it has not seen
			return rows;
		};
		watch = new OrderWatch(passing(), memoryLog(), { lookEvery: LONG });
		watch.start();
		const one = waiter();
		await until(() => looks === 1, 'it was looked at, and will not be for long');
		await change('new');
		watch.hint(['0198c0de-0000-7000-8000-00000000000f', ID]);
		expect((await one.answer)?.failureReason).toBe('new');
		expect(looks).toBe(2);
	},
	LONG,
);

it('goes on through a database that was away', async () => {
	const one = waiter();
	await until(() => one.shown.length > 0, 'it waits');
	await server.kill();
	await change('new');
	expect((await one.answer)?.failureReason).toBe('new');
});

it('asks nothing while nobody waits', async () => {
	let asked = 0;
	const one = waiter(undefined, 600);
	expect(await one.answer).toMatchObject({ id: ID });
	intercept = (answer) => {
		asked += 1;
		return answer();
	};
	watch.hint([ID]);
	await new Promise((resolve) => setTimeout(resolve, 1_000));
	expect(asked).toBe(0);
});
