/** How errors are reported: to operators with a stack where it helps, to clients without hosts and paths. */
import type { Log } from './log.ts';

/** What the language throws for a mistake in a program. A `fetch` that failed throws one too, and names its cause. */
const LANGUAGE = /^(?:Type|Reference|Range|Syntax|Assertion)Error$/;

/** The places in the source that each log has already reported. */
const told = new WeakMap<Log, Set<string>>();

/** What an error says. Several addresses of one name fail with one error that says nothing itself. */
export function errorMessage(error: unknown): string {
	if (error instanceof AggregateError && error.message === '') return error.errors.map(errorMessage).join('; ');
	return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** Whether an error is a mistake in the program, rather than something that is away or refuses. */
export const isMistake = (error: unknown): error is Error =>
	error instanceof Error && LANGUAGE.test(error.name) && error.cause === undefined;

/** Whether this is the log's first error from that place in the source. */
export function isNew(log: Log, error: Error): boolean {
	const place = /^\s*at .*$/m.exec(error.stack ?? '')?.[0] ?? error.message;
	const places = told.get(log) ?? new Set();
	told.set(log, places);
	if (places.has(place)) return false;
	places.add(place);
	return true;
}

/** Logs that something failed; as an error with its stack if it is a mistake of ours that comes for the first time. */
export function tell(log: Log, level: 'debug' | 'warn' | 'error', what: string, error: unknown): void {
	if (isMistake(error) && isNew(log, error)) log.error(`${what}: ${error.message}`, error);
	else log[level](`${what}: ${errorMessage(error)}`);
}

const PLACES =
	/\b[a-z][a-z\d+.-]*:\/\/\S+|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?|(?:[\da-f]*:){2,}[\da-f]+|(?:\/[\w.-]+){2,}/gi;

/** One line for health answers: without addresses and paths, and with only the code of a system error. */
export function discreet(error: unknown): string {
	if (error instanceof Error && 'errno' in error && 'code' in error) return String(error.code);
	return errorMessage(error).replaceAll(PLACES, '…').replaceAll(/\s+/g, ' ').slice(0, 300);
}

/** An error that nothing has caught is logged and ends the process: what it has left half done is unknown. */
export function endOnUncaught(log: Log): void {
	process.on('uncaughtException', (error: unknown, origin) => {
		log.error(`the process ends, ${origin}: ${errorMessage(error)}`, error);
		process.exit(1);
	});
}
