/** The log of one part; an `error` is shown with its stack. */
export interface Log {
	debug(message: string, error?: unknown): void;
	info(message: string, error?: unknown): void;
	warn(message: string, error?: unknown): void;
	error(message: string, error?: unknown): void;
}

/**
 * A log that turns warnings into debug lines while their reason is known, so that one line says it, not every
 * connection.
 */
export const quietLog = (log: Log, isKnown: () => boolean): Log => ({
	debug: (...line) => log.debug(...line),
	info: (...line) => log.info(...line),
	warn: (...line) => (isKnown() ? log.debug(...line) : log.warn(...line)),
	error: (...line) => log.error(...line),
});
