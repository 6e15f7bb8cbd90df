/** Idempotency keys: one for each request that a caller names, with the answer that it got. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Duration, type Instant, SECOND } from '../../domain/time.ts';
import {
	instants,
	joinedTexts,
	NOW,
	plainArray,
	type Statement,
	splitTexts,
	type Transaction,
	textArray,
} from '../../mixins/database/index.ts';

export interface IdempotencyKey {
	readonly key: string;
	/** a fingerprint of the request: of its body, and of what of its path matters */
	readonly fingerprint: string;
}

/** Violated if a key was stored after the snapshot that looked for it; the repeated transaction finds it. */
export const KEY_STORED_SINCE = 'idempotency_keys_pkey';

/** How long a request waits for another with the same key. */
const LONGEST_WAIT: Duration = 5 * SECOND;
const WAIT_STEP: Duration = 25;

/** Repeats a request for as long as another with its key is running, 5 s at most. */
export async function whileInProgress<T extends { readonly kind: string }>(ask: () => Promise<T>): Promise<T> {
	const end = performance.now() + LONGEST_WAIT;
	for (;;) {
		const answer = await ask();
		if (answer.kind !== 'in-progress' || performance.now() >= end) return answer;
		await pause(WAIT_STEP);
	}
}

/** A request with a key. */
interface Keyed {
	/** whom the key belongs to */
	readonly caller: string;
	readonly idempotency: IdempotencyKey | null;
}

export interface HeldKey {
	/** null for a key that is new */
	readonly fingerprint: string | null;
	readonly answer: string | null;
}

export interface TakenKeys<R> {
	readonly held: ReadonlyMap<R, HeldKey>;
	/** the database's clock; undefined if no request has a key */
	readonly now: Instant | undefined;
}

const nameOf = ({ caller, idempotency }: Keyed): string => `${caller}\n${idempotency?.key}`;

/**
 * Locks the keys until the commit, and reads the answers that are kept for them; returns the requests that got their
 * lock. Of two with the same key, only the first gets it. An answer that another transaction stored between this
 * statement's snapshot and the lock is not seen: then the key cannot be stored, and the whole transaction is repeated.
 */
export async function takeKeys<R extends Keyed>(tx: Transaction, group: readonly R[]): Promise<TakenKeys<R>> {
	const first = new Map<string, R>();
	for (const request of group) {
		if (request.idempotency !== null && !first.has(nameOf(request))) first.set(nameOf(request), request);
	}
	if (first.size === 0) return { held: new Map(), now: undefined };
	const requests = [...first.values()];
	const rows = await tx.query<HeldKey & { taken: boolean; now: Instant }>({
		name: 'take-keys',
		text: `SELECT ${NOW} AS now, pg_try_advisory_xact_lock(hashtextextended(k.caller || E'\\n' || k.key, 5300)) AS taken,
				i.fingerprint, i.answer
			FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (caller, key, place)
			LEFT JOIN LATERAL (SELECT * FROM idempotency_keys t WHERE t.key = k.key AND t.caller = k.caller LIMIT 1) AS i ON true
			ORDER BY k.place`,
		values: [
			textArray(requests.map(({ caller }) => caller)),
			textArray(requests.map(({ idempotency }) => idempotency?.key ?? null)),
		],
	});
	const held = requests.flatMap((request, place): [R, HeldKey][] => {
		const row = rows[place];
		return row?.taken === true ? [[request, row]] : [];
	});
	return { held: new Map(held), now: rows[0]?.now };
}

export interface StoredKey extends IdempotencyKey {
	readonly caller: string;
	/** the order that was placed or changed */
	readonly orderId: string;
	/** as JSON */
	readonly answer: string;
	readonly createdAt: Instant;
}

export function storeKeys(keys: readonly StoredKey[]): Statement {
	return {
		name: 'store-keys',
		text: `INSERT INTO idempotency_keys (caller, key, fingerprint, order_id, answer, created_at)
			SELECT caller, key, fingerprint, order_id, answer, to_timestamp(created_at)
			FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], ${splitTexts('$5')}, $6::float8[])
				AS k (caller, key, fingerprint, order_id, answer, created_at)`,
		values: [
			textArray(keys.map(({ caller }) => caller)),
			textArray(keys.map(({ key }) => key)),
			textArray(keys.map(({ fingerprint }) => fingerprint)),
			plainArray(keys.map(({ orderId }) => orderId)),
			joinedTexts(keys.map(({ answer }) => answer)),
			instants(keys.map(({ createdAt }) => createdAt)),
		],
	};
}
