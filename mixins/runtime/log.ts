/** What a part tells the operator; an `error` is shown with its stack. */
export interface Log {
	debug(message: string, error?: unknown): void;
	info(message: string, error?: unknown): void;
	warn(message: string, error?: unknown): void;
	error(message: string, error?: unknown): void;
}

/** A log whose warnings are only for debugging while their reason is known: one says it, not every connection. */
export const quietLog = (log: Log, isKnown: () => boolean): Log => ({
	debug: (...line) => log.debug(...line),
	info: (...line) => log.info(...line),
	warn: (...line) => (isKnown() ? log.debug(...line) : log.warn(...line)),
	error: (...line) => log.error(...line),
});
