import type { Duration } from '../../domain/time.ts';

/** Acts at the first call. Calls within `pause` after it are combined into one, at its end. */
export function throttle(pause: Duration, act: () => void): () => void {
	let resting = false;
	let again = false;
	const run = (): void => {
		resting = true;
		again = false;
		act();
		setTimeout(() => {
			resting = false;
			if (again) run();
		}, pause).unref();
	};
	return () => {
		if (resting) again = true;
		else run();
	};
}
