/** Figures, times and names as people read them. */

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/**
 * All decimals of the amount are shown: how many a currency has is not the browser's to say.
 * @param {string} amount
 * @param {string} currency
 */
export function money(amount, currency) {
	const decimals = amount.split('.')[1]?.length ?? 0;
	const key = `${currency} ${decimals}`;
	let format = formats.get(key);
	if (format === undefined) {
		const usual = new Intl.NumberFormat(undefined, { style: 'currency', currency }).resolvedOptions();
		const digits = Math.max(decimals, usual.maximumFractionDigits ?? 0);
		const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
		format = new Intl.NumberFormat(undefined, { style: 'currency', currency, ...options });
		formats.set(key, format);
	}
	return format.format(/** @type {never} */ (amount)); // a text keeps its digits
}

/**
 * Minor units as an amount.
 * @param {string} minor
 * @param {number} decimals
 */
export function fromMinor(minor, decimals) {
	const digits = minor.padStart(decimals + 1, '0');
	return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/**
 * What is left, as m:ss; 0:00 only when it is over.
 * @param {number} ms
 */
export function left(ms) {
	const seconds = Math.max(0, Math.ceil(ms / 1_000));
	return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY_AND_CLOCK = new Intl.DateTimeFormat(undefined, {
	day: 'numeric',
	month: 'short',
	hour: '2-digit',
	minute: '2-digit',
});

/**
 * The time of day, with the day where that is another than the day of `now`.
 * @param {string} iso
 * @param {number} now
 */
export function moment(iso, now) {
	const date = new Date(iso);
	return date.toDateString() === new Date(now).toDateString() ? CLOCK.format(date) : DAY_AND_CLOCK.format(date);
}

/** @type {readonly (readonly [number, string])[]} */
const UNITS = [
	[86_400, 'd'],
	[3_600, 'h'],
	[60, 'min'],
];

/**
 * A duration in one unit: `850 ms`, `12 s`, `3 min`.
 * @param {number} ms
 */
export function duration(ms) {
	if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
	const seconds = ms / 1_000;
	const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? [1, 's'];
	const value = seconds / size;
	return `${value < 10 && unit === 's' ? Number(value.toFixed(1)) : Math.round(value)} ${unit}`;
}

/**
 * @param {number} count
 * @param {string} one
 */
export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** `PaymentAuthorized` → `payment authorized`. @param {string} name */
export const words = (name) => name.replaceAll(/(?<=.)([A-Z])/g, ' $1').toLowerCase();

/** The same with a capital letter. @param {string} name */
export const title = (name) => words(name).replace(/^./, (letter) => letter.toUpperCase());
