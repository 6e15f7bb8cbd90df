import { Buffer } from 'node:buffer';
import { randomFillSync, randomInt } from 'node:crypto';
import { v7 } from 'uuid';
import type { Instant } from '../../domain/time.ts';

// Begins anywhere, so that two processes do not count alike.
let counter = randomInt(0x3fff_ffff);

/** Random bytes are drawn for many ids at once: each draw costs more than an id. */
const pool = Buffer.alloc(4_096);
let drawn = pool.length;

/** Random bytes for an id, which is no secret; good until the next call. */
export function randomBytes(count: number): Buffer {
	if (drawn + count > pool.length) {
		randomFillSync(pool);
		drawn = 0;
	}
	drawn += count;
	return pool.subarray(drawn - count, drawn);
}

/** A UUID v7 (RFC 9562) for the given moment; ids made by one process for one moment sort in the order of their making. */
export function newId(at: Instant): string {
	counter = (counter + 1) % 0x7fff_ffff;
	return v7({ msecs: at, seq: counter, random: randomBytes(16) });
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** True for an id as PostgreSQL and this system write it: lower case. */
export const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value);

/** A cursor is opaque to clients: the id of the last order of the page before. */
export const cursorOfId = (id: string): string => Buffer.from(id).toString('base64url');

export function idOfCursor(cursor: string): string | undefined {
	const id = Buffer.from(cursor, 'base64url').toString('latin1');
	return isUuid(id) && cursorOfId(id) === cursor ? id : undefined;
}

/** The same for a history, whose pages go by the events' sequence. */
export const cursorOfSequence = (sequence: number): string => Buffer.from(String(sequence)).toString('base64url');

export function sequenceOfCursor(cursor: string): number | undefined {
	const text = Buffer.from(cursor, 'base64url').toString('latin1');
	if (!/^[1-9]\d{0,8}$/.test(text)) return undefined;
	const sequence = Number(text);
	return cursorOfSequence(sequence) === cursor ? sequence : undefined;
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * The number that people read out: `ORD-` and the order's id as a ULID (128 bits in Crockford's base 32), so it is
 * as unique as the id and needs no column of its own.
 */
export function orderNumber(id: string): string {
	// 20 bits at a time: five hexadecimal digits are four of base 32.
	const hex = `000${id.replaceAll('-', '')}`;
	let text = '';
	for (let start = 0; start < hex.length; start += 5) {
		const bits = Number.parseInt(hex.slice(start, start + 5), 16);
		for (let shift = 15; shift >= 0; shift -= 5) text += CROCKFORD.charAt((bits >> shift) & 31);
	}
	return `ORD-${text.slice(2)}`;
}
