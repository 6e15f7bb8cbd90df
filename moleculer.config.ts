/**
 * The options of the service broker, for `npm start` and for Moleculer's own runner:
 *
 *     moleculer-runner-esm -c moleculer.config.ts --repl 'services/*.service.ts'
 */
import { type BrokerOptions, ServiceBroker } from 'moleculer';
import { SECOND } from './domain/time.ts';
import { REQUEST_TIMEOUT } from './mixins/brokers/index.ts';
import { CALL_POLICIES, drainFirst } from './mixins/cluster/index.ts';
import { loggerOf, meteredActions, tracedActions } from './mixins/observability/index.ts';
import {
	environmentUnder,
	openProcess,
	type Process,
	type ProcessOptions,
	type Runner,
	underRunner,
} from './mixins/process/index.ts';
import { parseSettings, type Settings } from './mixins/settings/index.ts';
import { SchemaValidator } from './mixins/validation/index.ts';
import { TOPOLOGY } from './services/topology.ts';

/** Opens the process that the settings describe; it ends when the broker stops. The runner calls it as its method. */
export default async function config(
	this: Runner | undefined,
	settings: Settings = parseSettings(this ? environmentUnder(this, process.env) : process.env),
	options?: ProcessOptions,
): Promise<BrokerOptions> {
	const open = (how?: ProcessOptions): Promise<Process> => openProcess(settings, TOPOLOGY, how);
	if (!this) return brokerOptions(await open(options));
	const opened = await underRunner(open);
	return brokerOptions(opened, await runnerOptions(this, opened));
}

/** What Moleculer leaves unsafe or open by default, set. */
export function brokerOptions(
	{ platform, node, middlewares }: Pick<Process, 'platform' | 'node' | 'middlewares'>,
	more: Pick<BrokerOptions, 'replOptions' | 'middlewares'> = {},
): BrokerOptions {
	return {
		...more,
		...node.options, // nodeID, namespace, transporter, heartbeats
		logger: loggerOf(platform.settings),
		// A call without a limit would wait for ever. Longer than the 5 s that a request waits for its Idempotency-Key.
		requestTimeout: REQUEST_TIMEOUT,
		...CALL_POLICIES,
		// Without it a stop drops the calls in hand.
		tracking: { enabled: true, shutdownTimeout: 5 * SECOND },
		dependencyTimeout: 30 * SECOND,
		validator: new SchemaValidator(),
		metrics: false,
		tracing: false,
		// Moleculer's own stand here, since ours have to be the innermost and the outermost: see `drainFirst`.
		internalMiddlewares: false,
		middlewares: [
			...middlewares.first,
			...ServiceBroker.INTERNAL_MIDDLEWARES,
			...(more.middlewares ?? []),
			drainFirst,
			meteredActions(platform.metrics),
			...(platform.tracing.isOn ? [tracedActions(platform.tracing)] : []),
			...middlewares.last,
		],
	};
}

/** What the runner's `--hot` and `--repl` need. The REPL, in the runner's own terminal, calls as the operator. */
async function runnerOptions(
	{ flags }: Runner,
	{ platform }: Process,
): Promise<Pick<BrokerOptions, 'replOptions' | 'middlewares'>> {
	const { hotReload } = await import('./mixins/process/index.ts');
	const reload = hotReload(platform.log('runner'));
	if (!flags.repl) return { middlewares: [reload] };
	const { replCommands } = await import('./services/repl/commands.ts');
	const { ReplSession } = await import('./services/repl/session.ts');
	const { typedByOperator } = await import('./services/orders/operator.ts');
	return {
		replOptions: { customCommands: replCommands },
		middlewares: [reload, new ReplSession().middleware, typedByOperator],
	};
}
