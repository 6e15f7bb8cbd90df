import type { Duration } from '../../domain/time.ts';
import type { Subscription } from './carrier.ts';

/** What is at work for a subscription: a consumer, a loop. */
interface Worker {
	readonly sinceLastBeat: Duration;
	/** finishes what is in hand and takes no more */
	stop(): Promise<void>;
}

/** One subscription for several workers; `onClosed` is called when all have stopped. */
export function combineSubscriptions(workers: readonly Worker[], onClosed: () => unknown = () => {}): Subscription {
	return {
		get sinceLastBeat() {
			return Math.max(...workers.map((worker) => worker.sinceLastBeat));
		},
		close: async () => {
			await Promise.all(workers.map((worker) => worker.stop()));
			await onClosed();
		},
	};
}
