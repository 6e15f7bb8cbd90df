/** Moments as numbers, both ways: that costs less than text, here and at the server. */
import type { Instant } from '../../domain/time.ts';
import { plainArray } from './arrays.ts';

/** The database's clock, now and not as the transaction began, in whole milliseconds since 1970. */
export const NOW = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::float8';

/** A column to be read as milliseconds since 1970. */
export const instant = (column: string, name = column): string =>
	`round(date_part('epoch', ${column}) * 1000) AS ${name}`;

/** A parameter to be written: an array of seconds since 1970 for `to_timestamp`. */
export function instants(values: readonly (Instant | null)[]): string {
	return plainArray(values.map((value) => (value === null ? null : value / 1_000)));
}
