import { collectDefaultMetrics, Registry } from 'prom-client';

/** Names that promtool takes for counters, and lists of every socket that is open. */
const UNWANTED = [
	...['nodejs_active_handles', 'nodejs_active_handles_total', 'nodejs_active_requests', 'nodejs_active_requests_total'],
	...['nodejs_active_resources', 'nodejs_active_resources_total'],
];

let defaults: Registry | undefined;

/** Memory, processor, event loop, garbage collection: they are the process's, however many systems run in it. */
export function ofThisProcess(): Registry {
	if (defaults === undefined) {
		defaults = new Registry();
		collectDefaultMetrics({ register: defaults });
		for (const name of UNWANTED) defaults.removeSingleMetric(name);
	}
	return defaults;
}
