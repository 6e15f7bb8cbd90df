/** The answers of `/health/live` and `/health/ready`. Neither calls an action. */
import type { Readiness } from './health.ts';

export interface HealthAnswer {
	readonly status: number;
	readonly body: string;
}

export const ALIVE: HealthAnswer = { status: 200, body: JSON.stringify({ status: 'ok' }) };

/** Why a gateway that starts or stops is not ready, whatever else is. */
export const gatewayNotReady = (reason: 'starting' | 'stopping'): Readiness => ({
	ready: false,
	failing: [{ name: 'gateway', reason }],
	degraded: [],
});

export function readinessAnswer({ ready, failing, degraded }: Readiness): HealthAnswer {
	const status = !ready ? 'unavailable' : degraded.length > 0 ? 'degraded' : 'ok';
	return { status: ready ? 200 : 503, body: JSON.stringify({ status, failing, degraded }) };
}
