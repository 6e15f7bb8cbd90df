import { performance } from 'node:perf_hooks';
import { backOff, type Duration, MINUTE, SECOND } from '../../domain/time.ts';

const FIRST: Duration = 3 * SECOND;
const LONGEST: Duration = MINUTE;
/** After this time without a failure, an order starts again with the shortest pause. */
const FORGOTTEN: Duration = 5 * MINUTE;
const MOST = 1_000;

/** Orders that could not be saved, which this process skips for a while: 3 s, doubling to a minute. */
export class Avoided {
	readonly #failed = new Map<string, { readonly times: number; readonly until: number }>();

	/** The ids that are skipped now. */
	get now(): readonly string[] {
		const now = performance.now();
		for (const [id, { until }] of this.#failed) if (until + FORGOTTEN < now) this.#failed.delete(id);
		return [...this.#failed].flatMap(([id, { until }]) => (until > now ? [id] : []));
	}

	add(id: string): void {
		const times = (this.#failed.get(id)?.times ?? 0) + 1;
		this.#failed.delete(id);
		this.#failed.set(id, { times, until: performance.now() + backOff(times, FIRST, LONGEST) });
		const [oldest] = this.#failed.keys();
		if (this.#failed.size > MOST && oldest !== undefined) this.#failed.delete(oldest);
	}
}
