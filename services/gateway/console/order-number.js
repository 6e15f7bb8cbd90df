/** An order's number is its id in another alphabet: Crockford's base 32. */

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const NUMBER = /^(?:ORD-)?([0-7][0-9A-HJKMNP-TV-Z]{25})$/;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The id that somebody has typed, as it is or as an order number; undefined if it is neither.
 * @param {string} typed
 */
export function idOf(typed) {
	const text = typed.trim();
	if (ID.test(text.toLowerCase())) return text.toLowerCase();
	// People read O for 0 and I or L for 1; Crockford's alphabet has none of them.
	const upper = text.toUpperCase().replace(/^ORD-/, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
	const digits = NUMBER.exec(upper)?.[1];
	if (digits === undefined) return undefined;
	let bits = 0n;
	for (const digit of digits) bits = bits * 32n + BigInt(ALPHABET.indexOf(digit));
	return bits
		.toString(16)
		.padStart(32, '0')
		.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
