import type { Log } from './loop.ts';

/** A log whose warnings are only for debugging while their reason is known: one says it, not every connection. */
export const quietLog = (log: Log, isKnown: () => boolean): Log => ({
	debug: (...line) => log.debug(...line),
	info: (...line) => log.info(...line),
	warn: (...line) => (isKnown() ? log.debug(...line) : log.warn(...line)),
	error: (...line) => log.error(...line),
});
