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

/** What a valid `traceparent` says. */
export interface TraceContext {
	readonly id: string;
	/** 16 hexadecimal digits */
	readonly span: string;
	readonly isSampled: boolean;
}

/** The flags stand in the last two digits; of a version above 00 more may follow. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})($|-)/;
const SAMPLED = 1;

/** Undefined for a text that is not valid, as the specification asks. */
export function parseTraceparent(text: string): TraceContext | undefined {
	const [, version, id, span, flags] = TRACEPARENT.exec(text) ?? [];
	const length = version === '00' ? text.length === 55 : version !== 'ff';
	if (!id || !span || !flags || !length || isZero(id) || isZero(span)) return undefined;
	return { id, span, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

export const formatTraceparent = ({ id, span, isSampled }: TraceContext): string =>
	`00-${id}-${span}-0${isSampled ? SAMPLED : 0}`;

/** A header that is not valid is treated as absent, as the specification asks. */
export function traceOf(header: string | string[] | undefined): Trace {
	const began = typeof header === 'string' ? parseTraceparent(header) : undefined;
	const { id, isSampled } = began ?? { id: randomHex(16), isSampled: false };
	return { id, parent: formatTraceparent({ id, span: randomHex(8), isSampled }) };
}

function isZero(hex: string): boolean {
	return hex === '0'.repeat(hex.length);
}

const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');
