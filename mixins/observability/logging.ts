import { type LoggerConfig, ServiceBroker } from 'moleculer';
import { jsonLine, type Log } from '../runtime/index.ts';
import type { Settings } from '../settings/index.ts';

/** If there is a broker, the transporter's watchdog logs its troubles; Moleculer would log them with each call. */
export function loggerOf({ logLevel, logFormat, broker }: Settings): LoggerConfig {
	const verbose = logLevel === 'debug' || logLevel === 'trace';
	const framework = verbose ? logLevel : 'warn';
	const calls = verbose ? logLevel : broker === undefined ? 'warn' : 'error';
	const transport = verbose ? logLevel : broker === undefined ? 'warn' : 'fatal';
	const modules = { BROKER: calls, REGISTRY: framework, DISCOVERY: framework, TRANSIT: transport, $NODE: framework };
	const level = { ...modules, TRANSPORTER: transport, '**': logLevel };
	return { type: 'Console', options: { formatter: logFormat === 'json' ? json : 'short', level } };
}

interface Bindings {
	readonly mod?: string;
	readonly nodeID?: string;
}

/** Moleculer's own `json` puts an error's stack into the message, and knows no order and no trace. */
const json = (level: string, args: readonly unknown[], { mod, nodeID }: Bindings): string[] => [
	jsonLine(level, args, { module: mod, nodeID }),
];

/** Lines have to be logged before the service broker exists. A broker that is never started logs them. */
export function logsOf(settings: Settings): (name: string) => Log {
	const options = { logger: loggerOf(settings), internalServices: false, skipProcessEventRegistration: true };
	const broker = new ServiceBroker(options);
	return (name) => broker.getLogger(name);
}
