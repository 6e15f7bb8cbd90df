/** Whatever is done to an order's money goes through here; each of these runs in one transaction. */
import type { PaymentRequest, ProviderOperation, ProviderOutcome } from '../../../domain/provider.ts';
import type { Transaction } from '../../database/index.ts';
import type { Entry, Note, Taken } from './book.ts';
import { type Books, lock, readBooks, readPage, storeEnds, write } from './tables.ts';

export interface Asked {
	readonly operation: ProviderOperation;
	readonly request: PaymentRequest;
}

export interface Answer {
	readonly outcome: ProviderOutcome;
	/** this call did it, not one before */
	readonly isNew: boolean;
}

/** Answers requests in their order, and writes down what they have caused. */
export async function perform(tx: Transaction, asked: readonly Asked[]): Promise<Answer[]> {
	const books = await openBooks(tx, asked);
	const fresh: (Entry | Note)[] = [];
	const ended: Note[] = [];
	const taken = asked.map(({ operation, request }): Taken => {
		const book = books.of(request.orderId);
		const known = book.rowOf(request.idempotencyKey);
		if (known !== undefined) return { row: known, isNew: false };
		const rows = book.decide(operation, request);
		const [row] = rows;
		const { waiting } = book;
		if (operation === 'void' && row.kind === 'done' && row.outcome === 'succeeded' && waiting !== undefined) {
			ended.push(Object.assign(waiting, { endedAs: 'cancelled' as const }));
		}
		fresh.push(...rows);
		book.add(rows);
		return { row, isNew: true };
	});
	await write(tx, fresh);
	storeEnds(tx, ended);
	const lost = fresh.filter(({ at }) => at === null).map(({ orderId }) => orderId);
	const anew = lost.length > 0 ? await readBooks(tx, lost) : books;
	return asked.map(({ operation, request }, index): Answer => {
		const { row, isNew } = taken[index] as Taken;
		if (row.at !== null) {
			return { outcome: books.of(request.orderId).answer(operation, request, { row, isNew }), isNew };
		}
		// Another call has used the key at the same time: perhaps for this, perhaps for another order.
		const book = anew.of(request.orderId);
		const theirs = book.rowOf(request.idempotencyKey);
		const outcome = theirs && book.answer(operation, request, { row: theirs, isNew: false });
		return { outcome: outcome ?? { kind: 'unknown', reason: 'the key was used for another order' }, isNew: false };
	});
}

/** Cards of which there is never a row in `sandbox_memory`. */
const ORDINARY: ReadonlySet<string> = new Set(['card_ok', 'card_declined', 'card_capture_refused', 'card_flaky']);

/**
 * Refunds of one order wait for each other, also in several processes; so does what is done with a card whose answers are
 * remembered. Otherwise it is left to whoever asks to make one call of an order at a time: a lock would cost a statement.
 */
async function openBooks(tx: Transaction, asked: readonly Asked[]): Promise<Books> {
	const ids = (some: readonly Asked[]): string[] => some.map(({ request }) => request.orderId);
	const books = await readBooks(tx, ids(asked));
	const delicate = asked.filter(
		({ operation, request: { orderId, paymentMethod } }) =>
			operation === 'refund' || !ORDINARY.has(paymentMethod) || books.of(orderId).notes.length > 0,
	);
	if (delicate.length > 0) {
		await lock(tx, ids(delicate));
		books.set(...(await readBooks(tx, ids(delicate))));
	}
	return books;
}

/** What came of a buyer's answer. */
export interface Answered {
	readonly orderId: string;
	/** of the authorisation */
	readonly reference: string;
	/** false if it was not waited for any more */
	readonly counts: boolean;
}

/** The buyer's answer on a page, which counts if it is still waited for: from then on the money is held, or declined. */
export async function answerPage(
	tx: Transaction,
	page: string,
	answer: 'succeeded' | 'failed',
): Promise<Answered | undefined> {
	const asked = await readPage(tx, page);
	if (asked === undefined) return undefined;
	const { orderId } = asked;
	await lock(tx, [orderId]);
	const book = (await readBooks(tx, [orderId])).of(orderId);
	const waiting = book.notes.find((note) => note.page === page);
	const { reference } = book;
	if (waiting?.endedAs !== null) return { orderId, reference, counts: false };
	const { idempotencyKey, operation, amount, currency } = waiting;
	const outcome = answer === 'failed' ? 'declined' : 'succeeded';
	await write(tx, [{ kind: 'done', idempotencyKey, orderId, operation, amount, currency, outcome, at: null }]);
	storeEnds(tx, [Object.assign(waiting, { endedAs: answer })]);
	return { orderId, reference, counts: true };
}
