/** The replay can fail: with a wrong trace, and with code that lost a guard. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Transaction } from '../../mixins/database/database.ts';
import type { Statement } from '../../mixins/database/statement.ts';
import type { TransactionName } from '../../mixins/runtime/crash-points.ts';
import { startTestDatabase, type TestDatabase } from '../support/database.ts';
import { ProcessDatabase } from './process.ts';
import { recorded } from './recorded.ts';
import { replay } from './replay.ts';
import { modelHash } from './simulate.ts';
import type { State, Trace } from './trace.ts';
import { World } from './world.ts';

const { model, madeBy, traces } = recorded();

let server: TestDatabase;

beforeAll(async () => {
	server = await startTestDatabase();
}, 120_000);
afterAll(() => server?.stop(), 60_000);

/** What the replay says to the first of these traces that differs; undefined where all agree. */
async function firstDifference(world: World, some: readonly Trace[]): Promise<string | undefined> {
	for (const trace of some) {
		try {
			await replay(world, trace);
		} catch (error) {
			return (error as Error).message;
		}
	}
	return undefined;
}

const ofScenario = (name: string): Trace[] => traces.filter(({ scenario }) => scenario === name);

/** A recorded trace that has such a step, and where. */
function find(wanted: (trace: Trace, at: number) => boolean): { readonly trace: Trace; readonly at: number } {
	for (const trace of ofScenario('messages')) {
		const at = trace.steps.findIndex((_, index) => wanted(trace, index));
		if (at > 0) return { trace, at };
	}
	throw new Error('no trace has it');
}

const statusOf = ({ ord }: State): string => ord[0]?.st ?? '';

it('the recorded traces are of this model', () => {
	expect(`${model}; made by: ${madeBy}`).toBe(`${modelHash()}; made by: ${madeBy}`);
});

describe('a wrong trace', () => {
	let world: World;
	beforeAll(async () => {
		world = await World.create(server);
	}, 120_000);
	afterAll(() => world?.stop(), 60_000);

	it('with another state is told up to it, in words', async () => {
		const { trace, at } = find(({ steps }, index) => steps[index]?.name === 'HandleOrderDue');
		const steps = trace.steps.slice(0, at + 1).map((step, index) => {
			if (index !== at) return step;
			const ord = step.state.ord.map((order) => ({ ...order, st: 'PaymentFailed' }));
			return { ...step, state: { ...step.state, ord } };
		});
		const said = await firstDifference(world, [{ ...trace, steps }]);
		expect(said).toContain(' the buyer places order 1 under key k\n');
		expect(said).toMatch(/\d+\. OrderDue no\. \d+ of order 1 is handled/);
		expect(said).toMatch(/→ clock \d; order 1 Pending \(due \d\), payment Requested/);
		expect(said).toContain('order 1 is: "PaymentFailed" in the model, "Confirmed" in the code');
	}, 60_000);

	it.each(['Hold', 'Cancel', 'Tick', 'StoreOutcome', 'ProviderPerforms'])(
		'without one of its steps (%s) does not agree',
		async (name) => {
			const { trace, at } = find(({ steps }, index) => steps[index]?.name === name);
			const said = await firstDifference(world, [{ ...trace, steps: trace.steps.toSpliced(at, 1) }]);
			expect(said).toContain(`${trace.name}\n   1. `);
		},
		120_000,
	);

	it('in which a cancel is accepted after due does not agree', async () => {
		const { trace, at } = find(
			({ steps }, index) =>
				steps[index]?.name === 'Tick' &&
				statusOf((steps[index] ?? steps[0])?.state as State) === 'Pending' &&
				(steps[index]?.state.ord[0]?.due ?? 9) <= (steps[index]?.state.clock ?? 0),
		);
		const before = trace.steps[at]?.state as State;
		const ord = before.ord.map((order) => ({ ...order, st: 'CancelRequested' }));
		const steps = [...trace.steps.slice(0, at + 1), { name: 'Cancel', what: 1, state: { ...before, ord } }];
		const said = await firstDifference(world, [{ ...trace, steps }]);
		expect(said).toContain('cancel of order 1: CancelRequested in the model, answered 409 Orders.WindowClosed');
	}, 60_000);
});

/** The database of processes that forget to lock what they read. */
class Unlocked extends ProcessDatabase {
	override transaction<T>(name: TransactionName, work: (tx: Transaction) => Promise<T>): Promise<T> {
		return super.transaction(name, (tx) => {
			const query = <R extends object>(statement: Statement): Promise<R[]> =>
				tx.query<R>(
					statement.name === 'lock-orders'
						? { ...statement, name: 'read-orders', text: statement.text.replace('FOR UPDATE', '') }
						: statement,
				);
			return work({
				query,
				write: (statement) => tx.write(statement),
				afterCommit: (action) => tx.afterCommit(action),
				afterFailure: (action) => tx.afterFailure(action),
				commitLazily: () => tx.commitLazily(),
				commitDurably: () => tx.commitDurably(),
			});
		});
	}
}

describe('code that lost a guard', () => {
	it('does not agree where it does not lock the order', async () => {
		const world = await World.create(server, new Unlocked(server.database));
		try {
			expect(await firstDifference(world, ofScenario('messages').slice(0, 40))).toMatch(
				/did not wait for the order's lock|in the model|duplicate key/,
			);
		} finally {
			await world.stop();
		}
	}, 300_000);

	it('does not agree where the inbox forgets', async () => {
		await server.query('ALTER TABLE inbox_messages DROP CONSTRAINT inbox_messages_pkey');
		const world = await World.create(server);
		try {
			const said = await firstDifference(world, ofScenario('messages').slice(0, 40));
			expect(said).toMatch(/inbox: .* in the model|the code raises .*, the model does not/);
		} finally {
			await world.stop();
		}
	}, 300_000);
});
