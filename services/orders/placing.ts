import { Order } from '../../domain/order.ts';
import type { PlaceOrder } from '../../domain/order-record.ts';
import type { Result } from '../../domain/result.ts';
import { CallTooLate } from '../../mixins/cluster/index.ts';
import { type Database, isTransient, type Transaction } from '../../mixins/database/index.ts';
import { type Outgoing, UnitOfWork } from '../../mixins/outbox/index.ts';
import { Batcher, bisect } from '../../mixins/runtime/index.ts';
import { type IdempotencyKey, KEY_STORED_SINCE, type StoredKey, storeKeys, takeKeys, whileInProgress } from './keys.ts';

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

/**
 * Places orders. Requests that arrive together share one transaction, so that they wait for the disk once (group
 * commit). A request that fails does not harm the others of its group. One whose key is locked by another transaction
 * leaves the group and waits alone.
 */
export class Intake<A> {
	readonly #batcher: Batcher<PlaceRequest<A>, Placed<A>>;

	constructor(database: Pick<Database, 'transaction'>, outgoing: Outgoing) {
		this.#batcher = new Batcher(GROUP, (requests) => storeApart(database, outgoing, requests));
	}

	async place(request: PlaceRequest<A>): Promise<Placed<A>> {
		const { command, idempotency } = request;
		if (!command.ok && idempotency === null) return { kind: 'failed', error: command.error };
		return whileInProgress(() => this.#batcher.add(request));
	}

	/** Resolves once every request that was taken has its answer. */
	drained(): Promise<void> {
		return this.#batcher.drained();
	}
}

async function storeApart<A>(
	database: Pick<Database, 'transaction'>,
	outgoing: Outgoing,
	requests: readonly PlaceRequest<A>[],
): Promise<readonly Placed<A>[]> {
	const answers = new Map<PlaceRequest<A>, Placed<A>>();
	await bisect(
		requests,
		async (group) => {
			const place = (tx: Transaction) => store(tx, new UnitOfWork(tx, outgoing), group);
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
