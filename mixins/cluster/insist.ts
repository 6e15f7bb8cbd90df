import { setTimeout as pause } from 'node:timers/promises';
import { type Duration, SECOND } from '../../domain/time.ts';

const AGAIN_AFTER: Duration = SECOND / 4;

/**
 * Repeats `send` until it succeeds; rejects as it does once `patience` is over. Only for messages that do no harm when
 * they arrive twice.
 */
export async function insist(send: () => Promise<unknown>, patience: Duration): Promise<void> {
	const begin = performance.now();
	for (;;) {
		try {
			await send();
			return;
		} catch (error) {
			if (performance.now() - begin > patience) throw error;
			await pause(AGAIN_AFTER, undefined, { ref: false });
		}
	}
}
