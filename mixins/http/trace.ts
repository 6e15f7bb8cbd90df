/**
 * W3C Trace Context: joins the trace that the caller began, or begins one.
 * https://www.w3.org/TR/trace-context/#traceparent-header
 */
import { randomBytes } from '../runtime/index.ts';

export interface Trace {
	/** 32 hexadecimal digits. */
	readonly id: string;
	/** The `traceparent` for everything that this request causes: the trace's id and a span id of our own. */
	readonly parent: string;
}

/** The flags stand in the last two digits; of a version above 00 more may follow. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})($|-)/;
const SAMPLED = 1;

/** A header that is not valid is treated as absent, as the specification asks. */
export function traceOf(header: string | string[] | undefined): Trace {
	if (typeof header === 'string') {
		const [, version, id, span, flags] = TRACEPARENT.exec(header) ?? [];
		const length = version === '00' ? header.length === 55 : version !== 'ff';
		if (id && span && flags && length && !isZero(id) && !isZero(span)) {
			return { id, parent: `00-${id}-${randomHex(8)}-0${Number.parseInt(flags, 16) & SAMPLED}` };
		}
	}
	const id = randomHex(16);
	return { id, parent: `00-${id}-${randomHex(8)}-00` };
}

function isZero(hex: string): boolean {
	return hex === '0'.repeat(hex.length);
}

const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');
