/** Parameters as Stripe takes them: form-encoded, with brackets for what is nested (`metadata[order_id]`, `expand[0]`). */
import { invalid } from './refusal.ts';

export interface Params {
	readonly [name: string]: string | Params;
}

/** Throws nothing: what cannot be read is a parameter that nobody knows. */
export function parseForm(text: string): Params {
	const root: Record<string, unknown> = {};
	for (const [name, value] of new URLSearchParams(text)) {
		const path = name.split('[').map((part) => part.replace(/\]$/, ''));
		let place = root;
		for (const part of path.slice(0, -1)) {
			if (typeof place[part] !== 'object') place[part] = {};
			place = place[part] as Record<string, unknown>;
		}
		const last = path.at(-1) ?? '';
		place[last === '' ? String(Object.keys(place).length) : last] = value;
	}
	return root as Params;
}

/** The same for the same parameters, whatever their order: what Stripe compares under one key. */
export const fingerprint = (text: string): string =>
	JSON.stringify([...new URLSearchParams(text)].sort((a, b) => (a < b ? -1 : 1)));

export function onlyKnown(params: Params, names: readonly string[]): void {
	for (const name of Object.keys(params)) {
		if (!names.includes(name)) throw invalid(`Received unknown parameter: ${name}`, 'parameter_unknown', name);
	}
}

export function textOf(params: Params, name: string): string | undefined {
	const value = params[name];
	if (value === undefined) return undefined;
	if (typeof value !== 'string') throw invalid(`Invalid string: ${name}`, undefined, name);
	if (value === '') throw invalid(`You passed an empty string for '${name}'.`, 'parameter_invalid_empty', name);
	return value;
}

export function requiredText(params: Params, name: string): string {
	const value = textOf(params, name);
	if (value === undefined) throw invalid(`Missing required param: ${name}.`, 'parameter_missing', name);
	return value;
}

export function integerOf(params: Params, name: string): number | undefined {
	const text = textOf(params, name);
	if (text === undefined) return undefined;
	const value = Number(text);
	if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) {
		throw invalid(`Invalid integer: ${text}`, 'parameter_invalid_integer', name);
	}
	return value;
}

export function requiredInteger(params: Params, name: string): number {
	const value = integerOf(params, name);
	if (value === undefined) throw invalid(`Missing required param: ${name}.`, 'parameter_missing', name);
	return value;
}

export function flagOf(params: Params, name: string): boolean {
	const text = textOf(params, name) ?? 'false';
	if (text !== 'true' && text !== 'false') throw invalid(`Invalid boolean: ${text}`, undefined, name);
	return text === 'true';
}

export function mapOf(params: Params, name: string): Params {
	const value = params[name] ?? {};
	if (typeof value === 'string') throw invalid(`Invalid object: ${name}`, undefined, name);
	return value;
}

export const listOf = (params: Params, name: string): string[] =>
	Object.values(mapOf(params, name)).map((value) => {
		if (typeof value !== 'string') throw invalid(`Invalid array: ${name}`, undefined, name);
		return value;
	});

/** Stripe allows 50 keys of 40 characters and values of 500. */
export function metadataOf(params: Params): Readonly<Record<string, string>> {
	const given = mapOf(params, 'metadata');
	const names = Object.keys(given);
	if (names.length > 50) throw invalid('Metadata can have up to 50 keys.', undefined, 'metadata');
	return Object.fromEntries(
		names.map((name) => {
			const value = given[name];
			if (typeof value !== 'string' || name.length > 40 || value.length > 500) {
				throw invalid(`Metadata key or value too long: ${name}`, undefined, `metadata[${name}]`);
			}
			return [name, value];
		}),
	);
}
