/** Reads the headers that make a request conditional (RFC 9110, section 13.1.2) or say what it prefers (RFC 7240). */

import { malformed, ProblemError } from '../../../mixins/http/index.ts';
import { LONGEST_WAIT } from '../../orders/params.ts';

/** One entity tag, weak or not, between commas and white space; Node gives header values as Latin-1. */
const ENTITY_TAG = /[\t ,]*(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")[\t ]*(?=,|$)/y;
const END_OF_LIST = /[\t ,]*$/y;

/**
 * The entity tags of `If-None-Match`, without `W/` since that condition compares weakly, or `*`; undefined without the
 * header. Throws 400 for anything else.
 */
export function entityTags(header: string | undefined): string[] | undefined {
	if (header === undefined) return undefined;
	if (header.trim() === '*') return ['*'];
	const tags: string[] = [];
	let at = 0;
	for (;;) {
		ENTITY_TAG.lastIndex = at;
		const [whole, tag] = ENTITY_TAG.exec(header) ?? [];
		if (whole === undefined || tag === undefined) break;
		tags.push(tag);
		at += whole.length;
	}
	END_OF_LIST.lastIndex = at;
	if (tags.length > 0 && END_OF_LIST.test(header)) return tags;
	throw new ProblemError(malformed('If-None-Match has to be a list of entity tags in quotes, or *.'));
}

/** What stands between the commas of a list, whose quoted strings may hold commas themselves. */
const ELEMENT = /(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^",])+/g;

/**
 * The seconds of `Prefer: wait=…`, at most `LONGEST_WAIT`; undefined where no wait is asked for. The first of several
 * counts, and other preferences are none of ours. Throws 400 for a wait that is not a whole number of seconds.
 */
export function waitOf(header: string | string[] | undefined): number | undefined {
	for (const element of [header ?? []].flat().join(',').match(ELEMENT) ?? []) {
		const [preference = ''] = element.split(';', 1);
		const [name = '', value = ''] = preference.split('=', 2).map((part) => part.trim());
		if (name.toLowerCase() !== 'wait') continue;
		const seconds = /^("?)(\d+)\1$/.exec(value)?.[2];
		if (seconds === undefined) throw new ProblemError(malformed('Prefer: wait has to be a number of seconds.'));
		return Math.min(Number(seconds), LONGEST_WAIT);
	}
	return undefined;
}
