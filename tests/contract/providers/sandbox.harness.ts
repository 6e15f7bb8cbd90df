import { setTimeout as pause } from 'node:timers/promises';
import type { PaymentProvider } from '../../../domain/provider.ts';
import { SandboxProvider } from '../../../mixins/providers/sandbox/provider.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import type { ProviderHarness } from './harness.ts';

/** The sandbox on a PostgreSQL of the test file's own. */
export function sandboxHarness(): ProviderHarness {
	let server: TestDatabase | undefined;
	const running = (): TestDatabase => {
		if (server === undefined) throw new Error('PostgreSQL was not started');
		return server;
	};
	let sandbox: SandboxProvider | undefined;
	return {
		cards: {
			...{ good: 'card_ok', declined: 'card_declined', needsBuyer: 'card_authentication' },
			refusesCapture: 'card_capture_refused',
		},
		amounts: [
			{ minor: 1_500n, currency: 'JPY' },
			{ minor: 1_234_567n, currency: 'KWD' },
			{ minor: 99_999_999_999_999n, currency: 'USD' },
			{ minor: 1n, currency: 'EUR' },
		],
		impossible: [],
		secrets: [],
		start: async () => {
			server = await startTestDatabase();
		},
		stop: async () => server?.stop(),
		open: (): PaymentProvider => {
			sandbox = new SandboxProvider(running().open(4));
			return sandbox;
		},
		answer: async (_, { url }, outcome) => {
			const page = url?.split('/').at(-1) ?? '';
			return (await sandbox?.answer(page, outcome))?.counts ?? false;
		},
		lapse: async (orderId) => {
			const week = `created_at - interval '7 days'`;
			await running().query(`UPDATE sandbox_operations SET created_at = ${week} WHERE order_id = $1`, [orderId]);
		},
		keptErrors: [
			['capture', 'not done'],
			['void', 'not done'],
		],
		keepError: () => 'card_remembered_error',
		loseAnswer: () => 'card_flaky',
		/** Nobody gets at the journal while another session has the tables. */
		stall: async () => {
			const { promise: released, resolve: release } = Promise.withResolvers<void>();
			const { promise: locked, resolve: hasLocked } = Promise.withResolvers<void>();
			const locking = running()
				.open(1)
				.transaction('sandbox.journal', async (tx) => {
					await tx.query({ name: 'stall', text: 'LOCK TABLE sandbox_operations, sandbox_memory', values: [] });
					hasLocked();
					await released;
				});
			await Promise.race([locked, locking]);
			await pause(0);
			return async () => {
				release();
				await locking;
			};
		},
	};
}
