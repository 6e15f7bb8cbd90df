/** `/health/live` and `/health/ready`. Neither calls an action. */
import { tell } from '../../mixins/errors.ts';
import type { Log } from '../../mixins/loop.ts';

export interface Complaint {
	readonly name: string;
	readonly reason: string;
}

export interface Health {
	readonly ready: boolean;
	/** What is not ready; empty when ready. */
	readonly failing: readonly Complaint[];
	/** What is missing without making the process unready. */
	readonly degraded: readonly Complaint[];
}

export interface HealthAnswer {
	readonly status: number;
	readonly body: string;
}

/** A check that hangs is a failing one. */
const PATIENCE = 2_000;

export const ALIVE: HealthAnswer = { status: 200, body: JSON.stringify({ status: 'ok' }) };

/** `halt` names why the gateway itself is not ready, whatever the check says; `log` is told of a check that throws. */
export async function readiness(
	check: () => Promise<Health>,
	halt: 'starting' | 'stopping' | undefined,
	log?: Log,
): Promise<HealthAnswer> {
	const health = halt ? notReady('gateway', halt) : await inTime(check, log);
	const status = !health.ready ? 'unavailable' : health.degraded.length > 0 ? 'degraded' : 'ok';
	const body = JSON.stringify({ status, failing: health.failing, degraded: health.degraded });
	return { status: health.ready ? 200 : 503, body };
}

function notReady(name: string, reason: string): Health {
	return { ready: false, failing: [{ name, reason }], degraded: [] };
}

async function inTime(check: () => Promise<Health>, log: Log | undefined): Promise<Health> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<Health>((resolve) => {
		timer = setTimeout(() => resolve(notReady('health', 'no answer')), PATIENCE);
	});
	try {
		return await Promise.race([check(), late]);
	} catch (error) {
		if (log !== undefined) tell(log, 'warn', 'the health check failed', error);
		return notReady('health', 'the check failed');
	} finally {
		clearTimeout(timer);
	}
}
