/** When a process lets requests in. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { Readiness } from '../../mixins/observability/index.ts';
import { abortable, type Log, WaitLog, withFallback } from '../../mixins/runtime/index.ts';

const LOOK_EVERY: Duration = SECOND / 20;
/** A process that is not ready after this time listens all the same, to answer what is missing. */
const LONGEST_WAIT: Duration = 10 * SECOND;

export interface Opening {
	/** resolves when the database can be used */
	readonly opened: Promise<void>;
	readonly look: () => Promise<Readiness>;
	readonly log: Log;
	/** ends the wait, which rejects then */
	readonly signal: AbortSignal;
}

/**
 * Has the gateway listen, and resolves once nothing is missing. If it listened earlier, a balancer that only connects
 * would send requests, which get 503. If it listened much later, operators could not see what is missing.
 */
export async function listenWhenReady(gateway: { listen(): Promise<void> }, opening: Opening): Promise<void> {
	const { opened, signal } = opening;
	const complete = opened.then(() => untilReady(opening));
	complete.catch(() => {}); // it has no listener if the gateway cannot listen
	await withFallback(abortable(complete, signal), LONGEST_WAIT, undefined);
	await gateway.listen();
	await complete;
}

async function untilReady({ look, log, signal }: Opening): Promise<void> {
	const waiting = new WaitLog(log, { quiet: 2 * SECOND });
	for (;;) {
		const { ready, failing } = await look();
		signal.throwIfAborted();
		if (ready) break;
		const reasons = failing.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
		waiting.warn(`waiting: ${reasons}`, 'waiting');
		await sleep(LOOK_EVERY, undefined, { signal });
	}
	waiting.over('nothing is missing any more');
}
