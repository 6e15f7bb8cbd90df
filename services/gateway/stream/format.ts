/** Server-sent events as they are written (WHATWG HTML, "Server-sent events"). */
import type { Instant } from '../../../domain/time.ts';
import { isoText } from '../../../mixins/runtime/index.ts';

/** `data` is JSON, which has no line breaks. */
export const eventText = (name: 'order' | 'now', id: string, data: string): string =>
	`id: ${id}\nevent: ${name}\ndata: ${data}\n\n`;

export const nowText = (id: string, now: Instant): string =>
	eventText('now', id, JSON.stringify({ now: isoText(Math.floor(now)) }));

/** A comment, which keeps a connection open and says nothing. */
export const COMMENT = Buffer.from(':\n\n');
