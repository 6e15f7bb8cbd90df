/** Found by the replay of the model's traces; the test bears the trace's name. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Finding, PaymentProvider, ProviderOutcome } from '../../../domain/provider.ts';
import { stamp } from '../../../mixins/calls/calls.ts';
import { SandboxProvider } from '../../../mixins/providers/sandbox/provider.ts';
import { newId } from '../../../mixins/runtime/uuid.ts';
import { parseSettings } from '../../../mixins/settings/settings.ts';
import type { PaymentCalls } from '../../../services/settlement/payment-calls.ts';
import settlement from '../../../services/settlement.service.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testPlatform, testService } from '../../support/platform.ts';

let server: TestDatabase;

beforeAll(async () => {
	server = await startTestDatabase();
}, 120_000);
afterAll(() => server?.stop(), 60_000);

const TIMEOUT = 60_000;

/** A provider whose `find` answers when it is told to, and that writes down what it is asked to do. */
function slowToFind() {
	const made: string[] = [];
	const found = Promise.withResolvers<Finding>();
	const asked = Promise.withResolvers<void>();
	const make = (operation: string) => async (): Promise<ProviderOutcome> => {
		made.push(operation);
		return { kind: 'succeeded', reference: null };
	};
	const find = (): Promise<Finding> => {
		asked.resolve();
		return found.promise;
	};
	const provider: PaymentProvider = {
		traits: new SandboxProvider(server.database).traits,
		refund: make('refund'),
		list: () => ReadableStream.from([]),
		pageOf: () => null,
		authorize: make('authorize'),
		capture: make('capture'),
		void: make('void'),
		find,
	};
	return { provider, made, asked: asked.promise, answer: () => found.resolve({ kind: 'notDone' }) };
}

/** An operation with an aged key, of which `left` ms of its time are left. */
function begin(provider: PaymentProvider, operation: 'capture' | 'void', left: number) {
	const settings = { ...parseSettings({}), providerTimeout: TIMEOUT };
	const platform = testPlatform({ settings, database: server.database, provider });
	const { payments: calls } = testService<{ payments: PaymentCalls }>(settlement, platform, server.log);
	const { monotonic, wall } = stamp();
	calls.slots.tryAcquire(1);
	calls.start(
		{
			...{ orderId: newId(wall), operation, attempt: 2, amount: { minor: 100n, currency: 'USD' } },
			...{ paymentMethod: 'card_ok', reference: 'auth', refund: null, version: 1 },
			...{ idempotencyKey: 'k', keyUsedAt: wall, intendedAt: wall },
			...{ asksFirst: true, mayCall: 'same key', mayConclude: false, keyAged: false },
		},
		{ monotonic: monotonic - TIMEOUT + left, wall },
	);
	return calls;
}

it.each(['capture', 'void'] as const)(
	'keys 228 of seed 5: a %s that asked first is not begun once its time is over',
	async (operation) => {
		const { provider, made, asked, answer } = slowToFind();
		const calls = begin(provider, operation, 300);
		await asked;
		await calls.idle(30_000); // it is given up: from now on others may repeat it
		answer();
		await turn();
		await turn();
		expect(made).toEqual([]);
	},
	60_000,
);

it('is begun where the answer comes in time', async () => {
	const { provider, made, asked, answer } = slowToFind();
	const calls = begin(provider, 'capture', TIMEOUT);
	await asked;
	answer();
	await calls.idle(30_000);
	expect(made).toEqual(['capture']);
}, 60_000);

it('the sandbox ends a call that is aborted, and does nothing', async () => {
	const sandbox = new SandboxProvider(server.database, TIMEOUT);
	const [abort, orderId] = [new AbortController(), newId(Date.now())];
	const request = {
		...{ orderId, idempotencyKey: 'k', keyUsedAt: Date.now(), version: 1, paymentMethod: 'card_ok' },
		...{ amount: { minor: 100n, currency: 'USD' }, reference: null, refund: null },
	};
	const call = sandbox.authorize(request, abort.signal);
	abort.abort();
	await expect(call).rejects.toMatchObject({ name: 'AbortError' });
	expect(await server.query('SELECT FROM sandbox_operations WHERE order_id = $1', [orderId])).toEqual([]);
});
