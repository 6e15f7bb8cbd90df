import { Buffer } from 'node:buffer';
import { randomFillSync, randomInt } from 'node:crypto';
import { v7 } from 'uuid';
import type { Instant } from '../../domain/time.ts';

// Begins at a random number, so that two processes count differently.
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
