/** Health and metrics of this process on `METRICS_PORT`, which listens before anything else starts. */

import type { Log } from '../runtime/index.ts';
import type { Settings } from '../settings/index.ts';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';
import { type ProbeRoute, ProbeServer } from './probe-server.ts';
import { ALIVE, readinessAnswer } from './readiness.ts';

interface Probed {
	readonly settings: Settings;
	readonly health: Health;
	readonly log: (name: string) => Log;
	/** ends with the process */
	readonly made: AsyncDisposableStack;
}

/** Returns the URL. */
export async function openProbes(
	{ settings, health, log, made }: Probed,
	metrics: Metrics,
	port: number,
): Promise<string> {
	const routes = new Map<string, ProbeRoute>([
		['/health/live', () => ALIVE],
		['/health/ready', async () => readinessAnswer(await health.readiness())],
		['/metrics', () => metrics.expose()],
	]);
	const probes = new ProbeServer(routes, log('probes'));
	made.defer(() => probes.close());
	return probes.listen(settings.http.host, port);
}
