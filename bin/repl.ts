/** A REPL on the running system. It calls as the operator, who may what `orders:admin` may. */
import type { REPLServer } from 'node:repl';
import { parseSettings } from '../mixins/settings.ts';
import { join, type Membership } from './repl/join.ts';

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
			evaluate.call(repl, command, context, file, (error, result) => {
				done(error, result);
				resolve();
			});
			return promise;
		});
	};
	Object.assign(repl, { eval: inOrder });
	repl.removeAllListeners('exit'); // moleculer-repl's own would stop the broker with calls in hand
	repl.once('exit', async () => {
		await last;
		await leave();
		process.exit(0);
	});
}

try {
	const member = await join(parseSettings(process.env), () => setImmediate(fail, 'The system has gone away.'));
	runInOrder(member.broker.repl() as unknown as REPLServer, member); // typed as void, but moleculer-repl's server
} catch (error) {
	fail(error instanceof Error ? error.message : String(error));
}
