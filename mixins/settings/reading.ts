/** How a setting is read, and how it is refused: one line that never shows a secret. */
import { BlockList, isIP } from 'node:net';
import { DAY, HOUR, MINUTE, SECOND } from '../../domain/time.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Freezes a value and all that it holds. */
export function deepFreeze<T>(value: T): T {
	if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
	return value;
}

/** What a `…_FILE` variable's file holds; throws what `readFileSync` throws. */
export type ReadFile = (path: string) => string;

/** Stands for a secret in messages. */
export const HIDDEN = '(hidden)';

/** A setting that stops the start. The message is one line: name, value (never a secret's), what is accepted. */
export class SettingsError extends Error {
	override readonly name = 'SettingsError';
}

const UNIT_MS = { d: DAY, h: HOUR, m: MINUTE, s: SECOND, ms: 1 } as const;

/**
 * Milliseconds of a duration such as `250ms`, `90s`, `10m`, `1.5h` or `7d`: one number, one unit, nothing else.
 * Exact: `undefined` for all other text and for what is not a whole number of milliseconds.
 */
export function parseDuration(text: string): number | undefined {
	const match = /^(?<whole>\d{1,16})(?:\.(?<decimals>\d{1,16}))?(?<unit>ms|[smhd])$/.exec(text);
	if (!match?.groups) return undefined;
	const { whole = '', decimals = '', unit } = match.groups;
	const scaled = BigInt(whole + decimals) * BigInt(UNIT_MS[unit as keyof typeof UNIT_MS]);
	const scale = 10n ** BigInt(decimals.length);
	const ms = Number(scaled / scale);
	return scaled % scale === 0n && Number.isSafeInteger(ms) ? ms : undefined;
}

/** The shortest text that `parseDuration` reads as `ms`, in the largest unit that fits: `10m`, `90s`, `7d`, `0ms`. */
export function formatDuration(ms: number): string {
	if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`not a whole number of milliseconds: ${ms}`);
	const [unit, size] = Object.entries(UNIT_MS).find(([, length]) => ms > 0 && ms % length === 0) ?? ['ms', 1];
	return `${ms / size}${unit}`;
}

export interface DurationRange {
	/** The least that is accepted, ms. */
	readonly min: number;
	/** The most that is accepted, ms. */
	readonly max: number;
}

export function get(env: Environment, name: string): string | undefined {
	return env[name] || undefined;
}

/** A value as one short line: control characters and line breaks escaped, a URL's user and password left out. */
export function show(value: string): string {
	const text = value.replace(/\/\/.*@/s, `//${HIDDEN}@`);
	const short = text.length > 100 ? `${text.slice(0, 100)}…` : text;
	return JSON.stringify(short).replace(
		/[\u007f-\u009f\u2028\u2029]/g,
		(character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
}

export function refused(name: string, shown: string, accepted: string, why = ''): SettingsError {
	const reason = why === '' ? '' : ` (${why})`;
	return new SettingsError(`${name}=${shown} is not understood${reason}; accepted: ${accepted}`);
}

export function readOneOf<T extends string>(env: Environment, name: string, accepted: readonly T[], otherwise: T): T {
	const value = get(env, name) ?? otherwise;
	const known = accepted.find((candidate) => candidate === value);
	if (known === undefined) throw refused(name, show(value), accepted.join(', '));
	return known;
}

export function readDuration(env: Environment, name: string, otherwise: string, { min, max }: DurationRange): number {
	const value = get(env, name) ?? otherwise;
	const ms = parseDuration(value);
	if (ms === undefined || ms < min || ms > max) {
		const range = `${formatDuration(min)} to ${formatDuration(max)}`;
		throw refused(name, show(value), `${range}, in whole milliseconds, written like 250ms, 90s, 10m, 1.5h or 7d`);
	}
	return ms;
}

export function readWholeNumber(
	env: Environment,
	name: string,
	otherwise: number,
	{ min, max }: { readonly min: number; readonly max: number },
): number {
	const value = get(env, name);
	if (value === undefined) return otherwise;
	const number = /^(?:0|[1-9]\d{0,8})$/.test(value) ? Number(value) : Number.NaN;
	if (!(number >= min && number <= max)) throw refused(name, show(value), `a whole number from ${min} to ${max}`);
	return number;
}

/** What cannot be taken, in a few words that show no part of a secret; none where there is no more to say. */
export class NotUnderstood extends Error {
	override readonly name = 'NotUnderstood';
}

interface SecretForm<T> {
	/** undefined, or a `NotUnderstood`, for what is not understood */
	readonly parse: (text: string) => T | undefined;
	/** what is, in words */
	readonly accepted: string;
}

/** The variable, or the content of the file that `…_FILE` names. No cause is kept: it would hold the secret. */
export function readSecret<T>(
	env: Environment,
	name: string,
	{ parse, accepted }: SecretForm<T>,
	readFile: ReadFile,
): T | undefined {
	const value = get(env, name);
	const path = get(env, `${name}_FILE`);
	if (path === undefined) {
		return value === undefined ? undefined : understood(name, HIDDEN, { parse, accepted }, value);
	}
	if (value !== undefined) {
		throw new SettingsError(`${name}=${HIDDEN} and ${name}_FILE=${show(path)} are both set; accepted: one of them`);
	}
	const shown = `${show(path)} with content ${HIDDEN}`;
	const form = { parse, accepted: `a file with ${accepted}` };
	return understood(`${name}_FILE`, shown, form, readSecretFile(`${name}_FILE`, path, readFile));
}

function understood<T>(name: string, shown: string, { parse, accepted }: SecretForm<T>, text: string): T {
	let why = '';
	try {
		const parsed = parse(text);
		if (parsed !== undefined) return parsed;
	} catch (error) {
		if (!(error instanceof NotUnderstood)) throw error;
		why = error.message;
	}
	throw refused(name, shown, accepted, why);
}

function readSecretFile(name: string, path: string, readFile: ReadFile): string {
	try {
		return readFile(path).replace(/\r?\n$/, '');
	} catch (error) {
		const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
		const reason = /^E[A-Z0-9]{2,15}$/.test(code) ? ` (${code})` : '';
		throw new SettingsError(`${name}=${show(path)} cannot be read${reason}; accepted: the path of a readable file`);
	}
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether only this machine reaches the host. */
export function isLoopback(host: string): boolean {
	const family = isIP(host);
	return family === 0 ? host.toLowerCase() === 'localhost' : LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
