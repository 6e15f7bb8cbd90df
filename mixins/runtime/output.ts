/** Lines of the process's output: text, or with `LOG_FORMAT=json` one object a line. */
import { inspect } from 'node:util';
import { errorMessage } from './errors.ts';

/** More than `level` and `msg`. */
type Fields = Readonly<Record<string, unknown>>;

const ORDER = /\border ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b/;
const TRACE = /\b[0-9a-f]{32}\b/;

/** The order and the trace that the text names are fields of their own; so is the stack of an error. */
export function jsonLine(level: string, args: readonly unknown[], fields: Fields = {}): string {
	const error = args.find((arg) => arg instanceof Error);
	const texts = args.filter((arg) => arg !== error).map((arg) => (typeof arg === 'string' ? arg : inspect(arg)));
	if (texts.length === 0 && error !== undefined) texts.push(errorMessage(error));
	const msg = texts.join(' ');
	const named = { orderId: ORDER.exec(msg)?.[1], traceId: TRACE.exec(msg)?.[0], stack: error?.stack };
	return JSON.stringify({ time: new Date().toISOString(), level, msg, ...named, ...fields });
}

const isJson = (): boolean => process.env.LOG_FORMAT === 'json';

const shown = (level: string, line: string): string => `${isJson() ? jsonLine(level, [line]) : line}\n`;

/** For what is told before there is a log, and for what an operator waits for at a start. */
export const say = (line: string): void => {
	process.stdout.write(shown('info', line));
};

/** The same for an error that does not end the process by itself. */
export const complain = (line: string): void => {
	process.stderr.write(shown('error', line));
};

/** Ends the process, in one line. */
export function fail(error: unknown): never {
	process.stderr.write(shown('fatal', errorMessage(error)));
	process.exit(1);
}

/** Node writes its own warnings as text. */
export function warningsAsLines(): void {
	if (!isJson()) return;
	process.removeAllListeners('warning');
	process.on('warning', ({ name, message }) => process.stderr.write(shown('warn', `${name}: ${message}`)));
}
