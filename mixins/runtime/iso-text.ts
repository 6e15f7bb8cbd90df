import { type Instant, toIso } from '../../domain/time.ts';

/**
 * A cache of texts: rows that are stored together share their moments, and a look-up costs a tenth of making a text.
 */
const known = new Map<Instant, string>();
const MOST = 64;

/** The same as `toIso`. */
export function isoText(at: Instant): string {
	let text = known.get(at);
	if (text === undefined) {
		text = toIso(at);
		if (known.size === MOST) known.clear();
		known.set(at, text);
	}
	return text;
}
