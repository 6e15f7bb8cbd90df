/** A REPL on the running system. It calls as the operator, who may what `orders:admin` may. */
import { SECOND } from '../domain/time.ts';
import { errorMessage } from '../mixins/runtime/index.ts';
import { parseSettings } from '../mixins/settings/index.ts';
import { ReplSession } from '../services/repl/session.ts';
import { join } from './repl/join.ts';

/** What does not answer while we leave is not waited for any longer. */
const LONGEST_LEAVE = 5 * SECOND;

const session = new ReplSession(LONGEST_LEAVE);

function fail(line: string): never {
	process.stderr.write(`${line}\n`);
	process.exit(1);
}

/** Without a person who reads it, the exit code tells of a command that failed: it has written to standard error. */
function tellFailures(): void {
	const write = process.stderr.write.bind(process.stderr);
	let failed = false;
	process.stderr.write = ((...args: Parameters<typeof write>) => {
		failed ||= session.command !== '';
		return write(...args);
	}) as typeof write;
	process.once('exit', (code) => {
		if (failed && code === 0) process.exitCode = 1;
	});
}

try {
	const gone = (): void => void setImmediate(fail, 'The system has gone away.');
	const broker = await join(parseSettings(process.env), gone, [session.middleware]);
	if (!process.stdin.isTTY) tellFailures();
	broker.repl();
} catch (error) {
	fail(errorMessage(error));
}
