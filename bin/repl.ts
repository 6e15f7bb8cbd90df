/** A REPL on the running system. It calls as the operator, who may what `orders:admin` may. */
import type { REPLServer } from 'node:repl';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '../mixins/runtime/errors.ts';
import { parseSettings } from '../mixins/settings/settings.ts';
import { asTyped } from './repl/as-typed.ts';
import { join, type Membership } from './repl/join.ts';

/** Leaving takes no longer, ms: what does not answer then is not waited for. */
const LONGEST_LEAVE = 5_000;

/** The command that is carried out now. */
let current = '';

function fail(line: string): never {
	process.stderr.write(`${line}\n`);
	process.exit(1);
}

/** Commands run one after the other, as they came; the end of the input waits for the last one's answer. */
function runInOrder(repl: REPLServer, { leave }: Membership): void {
	const { eval: evaluate } = repl;
	let last = Promise.resolve();
	const inOrder: typeof evaluate = (command, context, file, done) => {
		last = last.then(() => {
			const { promise, resolve } = Promise.withResolvers<void>();
			current = command;
			evaluate.call(repl, command, context, file, (error, result) => {
				current = '';
				done(error, result);
				resolve();
			});
			return promise;
		});
	};
	Object.assign(repl, { eval: inOrder, ignoreUndefined: true }); // no command has a result of its own
	repl.removeAllListeners('exit'); // moleculer-repl's own would stop the broker with calls in hand
	repl.once('exit', async () => {
		await last;
		await Promise.race([leave(), sleep(LONGEST_LEAVE)]);
		process.exit(0);
	});
}

/** Without a person who reads it, the exit code tells of a command that failed: it has written to standard error. */
function tellFailures(): void {
	const write = process.stderr.write.bind(process.stderr);
	let failed = false;
	process.stderr.write = ((...args: Parameters<typeof write>) => {
		failed ||= current !== '';
		return write(...args);
	}) as typeof write;
	process.once('exit', (code) => {
		if (failed && code === 0) process.exitCode = 1;
	});
}

try {
	const gone = (): void => void setImmediate(fail, 'The system has gone away.');
	const member = await join(parseSettings(process.env), gone, [asTyped(() => current)]);
	if (!process.stdin.isTTY) tellFailures();
	runInOrder(member.broker.repl() as unknown as REPLServer, member); // typed as void, but moleculer-repl's server
} catch (error) {
	fail(errorMessage(error));
}
