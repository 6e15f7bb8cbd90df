import { randomInt } from 'node:crypto';
import { v7 } from 'uuid';
import type { Instant } from '../domain/time.ts';

// Begins anywhere, so that two processes do not count alike.
let counter = randomInt(0x3fff_ffff);

/** A UUID v7 (RFC 9562) for the given moment; ids made by one process for one moment sort in the order of their making. */
export function newId(at: Instant): string {
	counter = (counter + 1) % 0x7fff_ffff;
	return v7({ msecs: at, seq: counter });
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * The number that people read out: `ORD-` and the order's id as a ULID (128 bits in Crockford's base 32), so it is
 * as unique as the id and needs no column of its own.
 */
export function orderNumber(id: string): string {
	let value = BigInt(`0x${id.replaceAll('-', '')}`);
	let text = '';
	for (let digit = 0; digit < 26; digit += 1) {
		text = `${CROCKFORD.charAt(Number(value & 31n))}${text}`;
		value >>= 5n;
	}
	return `ORD-${text}`;
}
