/** The answers of `/health/live` and `/health/ready`. Neither calls an action. */
import type { Answer } from '../http/index.ts';
import type { Readiness } from './health.ts';

const json = (status: number, value: object): Answer => ({
	status,
	type: 'application/json',
	body: JSON.stringify(value),
});

export const ALIVE: Answer = json(200, { status: 'ok' });

/** Why a gateway that starts or stops is not ready. */
export const gatewayNotReady = (reason: 'starting' | 'stopping'): Readiness => ({
	ready: false,
	failing: [{ name: 'gateway', reason }],
	degraded: [],
});

export function readinessAnswer({ ready, failing, degraded }: Readiness): Answer {
	const status = !ready ? 'unavailable' : degraded.length > 0 ? 'degraded' : 'ok';
	return json(ready ? 200 : 503, { status, failing, degraded });
}
