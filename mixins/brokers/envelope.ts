import type { Instant } from '../../domain/time.ts';
import { isoText } from '../runtime/index.ts';

/** What an envelope is made of. */
export interface Envelope {
	readonly id: string;
	readonly type: string;
	readonly order_id: string;
	/** null for a wake-up */
	readonly sequence: number | null;
	readonly occurred_at: Instant | null;
	/** the event as JSON; null for a wake-up */
	readonly data: string | null;
	readonly traceparent: string | null;
	readonly deliver_at: Instant | null;
}

const SOURCE = '/protected-payment/orders';

/**
 * CloudEvents 1.0 in JSON, with the extensions `sequence` and `traceparent`. Ids and types hold nothing to escape, and
 * the data is JSON already, as it was stored.
 */
export function toEnvelope(message: Envelope): string {
	const { id, type, order_id: subject, sequence, occurred_at, data, traceparent, deliver_at } = message;
	let text = `{"specversion":"1.0","id":"${id}","source":"${SOURCE}","type":"${type}","subject":"${subject}"`;
	text += ',"datacontenttype":"application/json"';
	if (occurred_at !== null) text += `,"time":"${isoText(occurred_at)}"`;
	if (sequence !== null) text += `,"sequence":${sequence}`;
	if (traceparent !== null) text += `,"traceparent":${JSON.stringify(traceparent)}`;
	return `${text},"data":${data ?? JSON.stringify({ version: 1, at: isoText(deliver_at ?? 0) })}}`;
}

/** The trace that a message belongs to, or null. A body that is not an envelope throws. */
export function traceOf(body: string): string | null {
	const parsed: unknown = JSON.parse(body);
	if (typeof parsed !== 'object' || parsed === null || !('specversion' in parsed))
		throw new Error('not a CloudEvents envelope');
	return 'traceparent' in parsed && typeof parsed.traceparent === 'string' ? parsed.traceparent : null;
}
