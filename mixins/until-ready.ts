import { setTimeout as sleep } from 'node:timers/promises';
import { type Duration, SECOND } from '../domain/time.ts';
import type { Finding, Readiness } from './health.ts';
import type { Log } from './loop.ts';
import { Waiting } from './waiting.ts';

const LOOK_EVERY: Duration = SECOND / 20;

/** Resolves once nothing that this process needs is missing, and says what is; rejects when the signal is aborted. */
export async function untilReady(look: () => Promise<Readiness>, log: Log, signal: AbortSignal): Promise<void> {
	const waiting = new Waiting(log);
	for (;;) {
		const { ready, failing } = await look();
		signal.throwIfAborted();
		if (ready) break;
		waiting.for(failing.map(({ name, reason }: Finding) => `${name}: ${reason}`).join('; '));
		await sleep(LOOK_EVERY, undefined, { signal });
	}
	waiting.over('nothing is missing any more');
}
