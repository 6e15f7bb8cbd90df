/** A REPL on the system that runs on this data folder. It calls as the operator, who may what `orders:admin` may. */
import { randomUUID } from 'node:crypto';
import type { REPLServer } from 'node:repl';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ActionHandler, type Middleware, ServiceBroker } from 'moleculer';
import { SECOND } from '../domain/time.ts';
import { parseSettings } from '../mixins/settings.ts';
import { UnixSocketLeaf } from '../mixins/unix-socket-transporter.ts';
import { ADMIN_SCOPE, type Caller } from '../services/orders/caller.ts';

/** How long the system may take to say what it offers. */
const DISCOVERY = 10 * SECOND;

const OPERATOR: Caller = { subject: 'operator', scopes: [ADMIN_SCOPE] };

function asOperator(next: ActionHandler): ActionHandler {
	return function (ctx) {
		Object.assign(ctx.meta, { caller: OPERATOR });
		return next.call(this, ctx);
	};
}

const AsOperator: Middleware = { name: 'AsOperator', localAction: asOperator, remoteAction: asOperator };

function fail(line: string): never {
	process.stderr.write(`${line}\n`);
	process.exit(1);
}

async function join(dataDir: string): Promise<ServiceBroker> {
	const leaf = new UnixSocketLeaf(dataDir, () => setImmediate(fail, 'The system has gone away.'));
	const broker = new ServiceBroker({
		nodeID: `repl-${randomUUID()}`,
		transporter: leaf,
		logger: { type: 'Console', options: { formatter: 'short', level: 'warn' } },
		requestTimeout: 10 * SECOND,
		retryPolicy: { enabled: false },
		internalServices: false,
		skipProcessEventRegistration: true,
		middlewares: [AsOperator],
	});
	await leaf.open().catch((error: Error) => fail(`No running system to join (npm start starts one): ${error.message}`));
	await broker.start();
	const deadline = performance.now() + DISCOVERY;
	while (broker.registry.getServiceList({ skipInternal: true }).length === 0) {
		if (performance.now() > deadline) fail('The system does not say what services it has.');
		await sleep(20);
	}
	return broker;
}

/** Commands run one after the other, as they came; the end of the input waits for the last one's answer. */
function runInOrder(repl: REPLServer, broker: ServiceBroker): void {
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
		await broker.stop();
		process.exit(0);
	});
}

try {
	const broker = await join(parseSettings(process.env).dataDir);
	runInOrder(broker.repl() as unknown as REPLServer, broker); // typed as void, but moleculer-repl's server
} catch (error) {
	fail(error instanceof Error ? error.message : String(error));
}
