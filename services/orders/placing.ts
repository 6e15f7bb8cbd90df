import { setTimeout as pause } from 'node:timers/promises';
import { Order } from '../../domain/order.ts';
import type { PlaceOrder } from '../../domain/order-record.ts';
import type { Result } from '../../domain/result.ts';
import { type Duration, type Instant, SECOND } from '../../domain/time.ts';
import { CallTooLate } from '../../mixins/cluster/index.ts';
import {
	type Database,
	instants,
	isTransient,
	joinedTexts,
	NOW,
	plainArray,
	type Statement,
	splitTexts,
	type Transaction,
	textArray,
} from '../../mixins/database/index.ts';
import { type OnStored, UnitOfWork } from '../../mixins/outbox/index.ts';
import { Batcher, bisect } from '../../mixins/runtime/index.ts';

export interface IdempotencyKey {
	readonly key: string;
	/** a fingerprint of the request's body */
	readonly fingerprint: string;
}

export interface PlaceRequest<A> {
	/** the caller that the key belongs to */
	readonly caller: string;
	/** the order to place, or why it may not be placed now; a known key gets its answer all the same */
	readonly command: Result<PlaceOrder, unknown>;
	readonly idempotency: IdempotencyKey | null;
	readonly traceparent: string | null;
	/** false once the order may not be placed any more, because the caller may have been answered */
	readonly isInTime?: () => boolean;
	/** the answer to the caller, to be kept as JSON with the key */
	readonly answer: (order: Order) => A;
}

export type Placed<A> =
	| { readonly kind: 'created'; readonly answer: A }
	/** the key is known, and so is the answer */
	| { readonly kind: 'replayed'; readonly answer: A }
	/** the key is known, with another body */
	| { readonly kind: 'key-reused' }
	/** a request with this key is still running */
	| { readonly kind: 'in-progress' }
	| { readonly kind: 'failed'; readonly error: unknown };

/** How many groups (transactions) are written at once; more would only wait for the disk. */
const GROUP = { size: 200, inFlight: 4, worthwhile: 32 };
/** Violated if a key was stored after the snapshot that looked for it; the repeated transaction finds it. */
const KEY_STORED_SINCE = 'idempotency_keys_pkey';
/** How long a request waits for another with the same key. */
const LONGEST_WAIT: Duration = 5 * SECOND;
const WAIT_STEP: Duration = 25;

/**
 * Places orders. Requests that arrive together share one transaction, so that they wait for the disk once (group
 * commit). A request that fails does not harm the others of its group. One whose key is locked by another transaction
 * leaves the group and waits alone.
 */
export class Intake<A> {
	readonly #batcher: Batcher<PlaceRequest<A>, Placed<A>>;

	constructor(database: Pick<Database, 'transaction'>, onStored: OnStored) {
		this.#batcher = new Batcher(GROUP, (requests) => storeApart(database, onStored, requests));
	}

	async place(request: PlaceRequest<A>): Promise<Placed<A>> {
		const { command, idempotency } = request;
		if (!command.ok && idempotency === null) return { kind: 'failed', error: command.error };
		const end = performance.now() + LONGEST_WAIT;
		for (;;) {
			const placed = await this.#batcher.add(request);
			if (placed.kind !== 'in-progress' || performance.now() >= end) return placed;
			await pause(WAIT_STEP);
		}
	}

	/** Resolves once every request that was taken has its answer. */
	drained(): Promise<void> {
		return this.#batcher.drained();
	}
}

async function storeApart<A>(
	database: Pick<Database, 'transaction'>,
	onStored: OnStored,
	requests: readonly PlaceRequest<A>[],
): Promise<readonly Placed<A>[]> {
	const answers = new Map<PlaceRequest<A>, Placed<A>>();
	await bisect(
		requests,
		async (group) => {
			const place = (tx: Transaction) => store(tx, new UnitOfWork(tx, onStored), group);
			const placed = await database.transaction('orders.create', place, KEY_STORED_SINCE);
			for (const [request, answer] of placed) answers.set(request, answer);
		},
		(request, error) => answers.set(request, { kind: 'failed', error }),
		isTransient,
	);
	return requests.map((request) => answers.get(request) ?? { kind: 'in-progress' });
}

async function store<A>(
	tx: Transaction,
	work: UnitOfWork,
	group: readonly PlaceRequest<A>[],
): Promise<Map<PlaceRequest<A>, Placed<A>>> {
	const placed = new Map<PlaceRequest<A>, Placed<A>>();
	const { held, now } = await takeKeys(tx, group);
	const moment = now === undefined ? await work.readClock() : work.at(now);
	const keys: StoredKey[] = [];
	for (const request of group) {
		const { idempotency, command } = request;
		if (idempotency !== null) {
			const mine = held.get(request);
			if (mine === undefined) {
				placed.set(request, { kind: 'in-progress' });
				continue;
			}
			if (mine.answer !== null) {
				const same = mine.fingerprint === idempotency.fingerprint;
				if (same) placed.set(request, { kind: 'replayed', answer: JSON.parse(mine.answer) });
				else placed.set(request, command.ok ? { kind: 'key-reused' } : { kind: 'failed', error: command.error });
				continue;
			}
		}
		if (!command.ok) {
			placed.set(request, { kind: 'failed', error: command.error });
			continue;
		}
		// Checked here: after this only the commit can wait.
		if (request.isInTime?.() === false) {
			placed.set(request, { kind: 'failed', error: new CallTooLate() });
			continue;
		}
		const order = Order.place(command.value, moment);
		work.add(order);
		work.trace(order.record.id, request.traceparent);
		const answer = request.answer(order);
		placed.set(request, { kind: 'created', answer });
		if (idempotency !== null) {
			const { id, owner, createdAt } = order.record;
			keys.push({ ...idempotency, caller: owner, orderId: id, answer: JSON.stringify(answer), createdAt });
		}
	}
	work.save();
	if (keys.length > 0) tx.write(storeKeys(keys));
	return placed;
}

interface StoredKey extends IdempotencyKey {
	readonly caller: string;
	readonly orderId: string;
	readonly answer: string;
	readonly createdAt: number;
}

const nameOf = ({ caller, idempotency }: PlaceRequest<unknown>): string => `${caller}\n${idempotency?.key}`;

interface HeldKey {
	readonly taken: boolean;
	/** null for a key that is new */
	readonly fingerprint: string | null;
	readonly answer: string | null;
}

interface TakenKeys<A> {
	readonly held: ReadonlyMap<PlaceRequest<A>, HeldKey>;
	/** the database's clock; undefined if no request has a key */
	readonly now: Instant | undefined;
}

/**
 * Locks the keys until the commit, and reads the answers that are kept for them; returns the requests that got their
 * lock. Of two with the same key, only the first gets it. An answer that another transaction stored between this
 * statement's snapshot and the lock is not seen: then the key cannot be stored, and the whole transaction is repeated.
 */
async function takeKeys<A>(tx: Transaction, group: readonly PlaceRequest<A>[]): Promise<TakenKeys<A>> {
	const first = new Map<string, PlaceRequest<A>>();
	for (const request of group) {
		if (request.idempotency !== null && !first.has(nameOf(request))) first.set(nameOf(request), request);
	}
	if (first.size === 0) return { held: new Map(), now: undefined };
	const requests = [...first.values()];
	const rows = await tx.query<HeldKey & { now: Instant }>({
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
	const held = requests.flatMap((request, place): [PlaceRequest<A>, HeldKey][] => {
		const row = rows[place];
		return row?.taken === true ? [[request, row]] : [];
	});
	return { held: new Map(held), now: rows[0]?.now };
}

function storeKeys(keys: readonly StoredKey[]): Statement {
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
