/**
 * Columns as parameters: one array for each, so that one statement writes any number of rows (`unnest`). Values that
 * need no quoting are joined as they are, which is several times faster than the driver's own way.
 */

/** Numbers, ids, names of states: nothing that could hold a quote, a comma, a brace or white space. */
export function plainArray(values: readonly (string | number | bigint | null)[]): string {
	let text = '{';
	for (let index = 0; index < values.length; index += 1) {
		if (index > 0) text += ',';
		text += values[index] ?? 'NULL';
	}
	return `${text}}`;
}

const NEEDS_ESCAPE = /["\\]/g;

/** Hardly any text needs it, and to look costs less than to replace nothing. */
const escaped = (text: string): string =>
	text.includes('"') || text.includes('\\') ? text.replace(NEEDS_ESCAPE, '\\$&') : text;

/** Text of any kind. */
export function textArray(values: readonly (string | null)[]): string {
	let text = '{';
	for (let index = 0; index < values.length; index += 1) {
		if (index > 0) text += ',';
		const value = values[index] ?? null;
		text += value === null ? 'NULL' : `"${escaped(value)}"`;
	}
	return `${text}}`;
}

const UNIT_SEPARATOR = '\u001f';

/** JSON texts, as one that `splitTexts` takes apart: they hold no control character (RFC 8259, section 7), so none is escaped. */
export const joinedTexts = (values: readonly string[]): string => values.join(UNIT_SEPARATOR);

/** The `text[]` of a parameter made by `joinedTexts`. */
export const splitTexts = (parameter: string): string => `string_to_array(${parameter}, E'\\x1f')`;

/** An error's message as PostgreSQL can store it: it takes no zero character. */
export const storable = (text: string): string => text.replaceAll('\0', '\ufffd');
