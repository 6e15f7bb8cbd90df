import { type Duration, SECOND } from '../../domain/time.ts';
import { withFallback } from './deadline.ts';

/** An answer is given again for so long. */
const FRESH: Duration = 5 * SECOND;
/** The least time between two looks, as a multiple of how long the last one took. */
const REST = 50;
/** Who asks waits so long for a new answer if there is an old one. */
const PATIENCE: Duration = SECOND / 2;

/**
 * For an answer that is dear to find: it is looked for every five seconds at most, so that looking takes a fiftieth of the
 * time at most, and never twice at once. While a look takes long, the answer before it is given. Rejects if the look
 * fails.
 */
export function remembered<T>(look: () => Promise<T>): () => Promise<T> {
	let known: { readonly answer: T; readonly until: number } | undefined;
	let looking: Promise<T> | undefined;

	const lookNow = async (): Promise<T> => {
		const began = performance.now();
		try {
			const answer = await look();
			const ended = performance.now();
			known = { answer, until: ended + Math.max(FRESH, REST * (ended - began)) };
			return answer;
		} catch (error) {
			known = undefined;
			throw error;
		} finally {
			looking = undefined;
		}
	};

	return async () => {
		if (known !== undefined && performance.now() < known.until) return known.answer;
		looking ??= lookNow();
		if (known === undefined) return looking;
		looking.catch(() => {}); // nobody may wait for it any more
		return withFallback(looking, PATIENCE, known.answer);
	};
}
