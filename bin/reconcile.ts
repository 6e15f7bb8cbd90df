/** Compares the provider's list of payments with the orders of the running system, as its operator. */
import { parseArgs } from 'node:util';
import { errorMessage } from '../mixins/runtime/index.ts';
import { parseSettings } from '../mixins/settings/index.ts';
import { reconcileInSteps } from '../services/repl/reconcile.ts';
import { join } from './repl/join.ts';

const USAGE = 'usage: npm run reconcile -- [--since 2026-01-31T12:00:00Z] [--until TIME] [--dry-run]';
const OPTIONS = { since: { type: 'string' }, until: { type: 'string' }, 'dry-run': { type: 'boolean' } } as const;

const say = (line: string): void => {
	process.stdout.write(`${line}\n`);
};

function fail(line: string): never {
	process.stderr.write(`${line}\n`);
	process.exit(1);
}

function readArguments() {
	try {
		const { 'dry-run': dryRun = false, ...times } = parseArgs({ options: OPTIONS }).values;
		return { dryRun, ...times };
	} catch (error) {
		return fail(`${errorMessage(error)}\n${USAGE}`);
	}
}

const asked = readArguments();
try {
	const broker = await join(parseSettings(process.env), () => fail('The system has gone away.'));
	const call = <T>(action: string, params?: object): Promise<T> => broker.call(action, params);
	const { checked, voided, refunded, differences } = await reconcileInSteps(call, asked, say);
	if (differences.length > 0) {
		console.table(
			differences.map(({ orderId, reference, problem, remedy, outcome }) => {
				return {
					order: orderId,
					payment: reference,
					problem,
					remedy: remedy ?? 'a person must look',
					outcome: outcome ?? '-',
				};
			}),
		);
	}
	const would = asked.dryRun ? 'would be ' : '';
	say(`${checked} payments compared, ${voided} ${would}voided, ${refunded} ${would}refunded`);
	await broker.stop();
	process.exit(0);
} catch (error) {
	fail(errorMessage(error));
}
