import { type LoggerConfig, ServiceBroker } from 'moleculer';
import type { Log } from '../runtime/index.ts';
import type { Settings } from '../settings/index.ts';

/** Where there is a broker the link tells of its troubles; the framework would do it with each call. */
export function loggerOf({ logLevel, broker }: Settings): LoggerConfig {
	const verbose = logLevel === 'debug' || logLevel === 'trace';
	const framework = verbose ? logLevel : 'warn';
	const calls = verbose ? logLevel : broker === undefined ? 'warn' : 'error';
	const transport = verbose ? logLevel : broker === undefined ? 'warn' : 'fatal';
	const modules = { BROKER: calls, REGISTRY: framework, DISCOVERY: framework, TRANSIT: transport, $NODE: framework };
	const level = { ...modules, TRANSPORTER: transport, '**': logLevel };
	return { type: 'Console', options: { formatter: 'short', level } };
}

/** Log lines have to be written before the service broker can be made: one that is never started writes them. */
export function logsOf(settings: Settings): (name: string) => Log {
	const options = { logger: loggerOf(settings), internalServices: false, skipProcessEventRegistration: true };
	const broker = new ServiceBroker(options);
	return (name) => broker.getLogger(name);
}
