/** JSON without losing a digit of an amount: amounts are texts here, and numbers on the way. */

const AMOUNTS = new Set(['amount', 'refundedAmount']);

/**
 * The amounts in it become texts with the digits that were sent.
 * @param {string} text
 */
export const parseExact = (text) => JSON.parse(text, exactly);

/**
 * @param {string} name
 * @param {unknown} value
 * @param {{ readonly source?: string }} [context] which TypeScript's library does not know yet
 */
const exactly = (name, value, context) =>
	AMOUNTS.has(name) && typeof value === 'number' ? (context?.source ?? String(value)) : value;

/** A JSON number (RFC 8259, section 6) without sign and exponent. */
const NUMBER = /^(0|[1-9]\d*)(\.\d+)?$/;

/**
 * The amount as people type it, as a JSON number; undefined if it is none.
 * @param {string} typed
 */
export function amountOf(typed) {
	const text = typed.trim().replace(',', '.');
	return NUMBER.test(text) ? text : undefined;
}

/**
 * @param {Readonly<Record<string, string | undefined>>} fields what is undefined is left out
 * @param {string | undefined} [amount] of `amountOf`
 */
export function bodyOf(fields, amount) {
	const members = Object.entries(fields).flatMap(([name, value]) =>
		value === undefined ? [] : [`${JSON.stringify(name)}:${JSON.stringify(value)}`],
	);
	if (amount !== undefined) members.push(`"amount":${amount}`);
	return `{${members.join(',')}}`;
}
