import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** How long a test waits for what must come; generous, because the machine may be busy. */
export const PATIENCE = 45_000;

/**
 * Resolves with the first truthy answer of `condition`. It is asked again every few milliseconds; past the deadline,
 * `until` rejects and says `what` never came true. An exception of `condition` counts as "not yet" and is shown then.
 */
export async function until<T>(
	condition: () => T | Promise<T>,
	what: string | (() => string) = String(condition),
	patience = PATIENCE,
): Promise<NonNullable<T>> {
	const deadline = performance.now() + patience;
	for (let poll = 5; ; poll = Math.min(poll * 1.3, 50)) {
		let failure: unknown;
		try {
			const answer = await condition();
			if (answer) return answer;
		} catch (error) {
			failure = error;
		}
		if (performance.now() > deadline) {
			const text = typeof what === 'string' ? what : what();
			throw new Error(`not within ${patience} ms: ${text}`, failure === undefined ? {} : { cause: failure });
		}
		await pause(poll);
	}
}

/** Repeats `action` until it does not throw, and answers what it answered. */
export async function eventually<T>(action: () => Promise<T>, what?: string, patience = PATIENCE): Promise<T> {
	const { value } = await until(async () => ({ value: await action() }), what ?? String(action), patience);
	return value;
}
