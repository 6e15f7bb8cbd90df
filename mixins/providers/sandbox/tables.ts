/** The tables of the sandbox. */
import type { Instant } from '../../../domain/time.ts';
import { inserting, instant, plainArray, type Statement, type Transaction, textArray } from '../../database/index.ts';
import { Book, type Entry, type Note } from './book.ts';

type Fact = Entry | Note;

/** Books by order; of an order without any row too. */
export class Books {
	readonly #books = new Map<string, Book>();

	of(orderId: string): Book {
		const known = this.#books.get(orderId);
		if (known !== undefined) return known;
		const book = new Book(orderId, [], 0);
		this.set(book);
		return book;
	}

	set(...books: readonly Book[]): void {
		for (const book of books) this.#books.set(book.orderId, book);
	}

	[Symbol.iterator](): Iterator<Book> {
		return this.#books.values();
	}
}

interface StoredFact {
	readonly idempotencyKey: string;
	readonly orderId: string;
	readonly operation: Fact['operation'];
	readonly amount: bigint;
	readonly currency: string | null;
	readonly kind: Fact['kind'];
	readonly said: Entry['outcome'] | Note['endedAs'];
	readonly page: string | null;
	readonly at: Instant;
	readonly now: Instant;
}

const SHARED = `idempotency_key AS "idempotencyKey", order_id AS "orderId", operation, amount, currency,
	${instant('created_at', 'at')}, ${instant('clock_timestamp()', 'now')}`;
const ENTRIES = `SELECT ${SHARED}, 'done' AS kind, outcome AS said, NULL::uuid AS page FROM sandbox_operations`;
const NOTES = `SELECT ${SHARED}, kind, ended_as AS said, page FROM sandbox_memory`;

/** What can be asked in a transaction or outside of one. */
export type Reading = Pick<Transaction, 'query'>;

export async function readBooks(reading: Reading, orderIds: readonly string[]): Promise<Books> {
	const stored = await reading.query<StoredFact>({
		name: 'sandbox-books',
		text: `${ENTRIES} WHERE order_id = ANY($1::uuid[]) UNION ALL ${NOTES} WHERE order_id = ANY($1::uuid[])`,
		values: [plainArray([...new Set(orderIds)])],
	});
	const books = new Books();
	for (const [orderId, some] of Map.groupBy(stored, (fact) => fact.orderId)) {
		books.set(new Book(orderId, some.map(toFact), some[0]?.now ?? 0));
	}
	return books;
}

/** The authorisation that has this page; undefined if none has. */
export async function readPage(reading: Reading, page: string): Promise<Note | undefined> {
	const [stored] = await reading.query<StoredFact>({
		name: 'sandbox-page',
		text: `${NOTES} WHERE page = $1::uuid`,
		values: [page],
	});
	const fact = stored && toFact(stored);
	return fact?.kind === 'done' ? undefined : fact;
}

/** `XXX` is ISO 4217's code for no currency: the release before this one kept none. */
function toFact({ said, now, kind, page, currency, ...shared }: StoredFact): Fact {
	const row = { ...shared, currency: currency ?? 'XXX' };
	return kind === 'done'
		? { ...row, kind, outcome: said as Entry['outcome'] }
		: { ...row, kind, page, endedAs: said as Note['endedAs'] };
}

/** Which orders' payments were created in this time, after this id; at most `most`. */
export const ordersBetween = (since: Instant, until: Instant, after: string, most: number): Statement => {
	const which = 'created_at >= to_timestamp($1::float8) AND created_at < to_timestamp($2::float8) AND order_id > $3';
	const from = (table: string, kind: string): string =>
		`(SELECT DISTINCT order_id FROM ${table} WHERE ${kind} AND ${which} ORDER BY order_id LIMIT $4)`;
	return {
		name: 'sandbox-between',
		text: `SELECT order_id AS "orderId" FROM (${from('sandbox_operations', `operation = 'authorize'`)}
			UNION ${from('sandbox_memory', `kind = 'waits'`)}) AS found ORDER BY order_id LIMIT $4`,
		values: [since / 1_000, until / 1_000, after, most],
		isSlow: true,
	};
};

/** Any number that no other advisory lock with two numbers has. */
const LOCK = 5_300_014;
/** Orders share locks, so that a transaction never has many: the server's room for them is limited. */
const LOCKS = 64;

/** Until the end of the transaction nobody else does it for these orders. */
export async function lock(tx: Transaction, orderIds: readonly string[]): Promise<void> {
	const slots = orderIds.map((id) => Number.parseInt(id.slice(-4), 16) % LOCKS); // the last digits are random
	await tx.query({
		name: 'sandbox-lock',
		text: 'SELECT pg_advisory_xact_lock($2::int, slot) FROM unnest($1::int[]) AS slot',
		values: [plainArray([...new Set(slots)].sort((a, b) => a - b)), LOCK],
	});
}

const ROW = { idempotencyKey: 'text', orderId: 'uuid', operation: 'word', amount: 'bigint', currency: 'word' } as const;
const WRITTEN = `ON CONFLICT DO NOTHING RETURNING idempotency_key AS "idempotencyKey", ${instant('created_at', 'at')}`;
const insertEntries = inserting('sandbox-write', 'sandbox_operations', { ...ROW, outcome: 'word' }, WRITTEN);
const insertNotes = inserting('sandbox-remember', 'sandbox_memory', { ...ROW, kind: 'word', page: 'uuid' }, WRITTEN);

/** Sets `at` of what was written; a row whose key another call has written meanwhile keeps null. */
export async function write(tx: Transaction, rows: readonly Fact[]): Promise<void> {
	// In one order, so that transactions with the same keys never wait in a circle.
	const sorted = rows.toSorted((a, b) => (a.idempotencyKey < b.idempotencyKey ? -1 : 1));
	const entries = sorted.filter((row) => row.kind === 'done');
	const notes = sorted.filter((row) => row.kind !== 'done');
	if (entries.length > 0) await written(tx, insertEntries(entries), entries);
	if (notes.length > 0) await written(tx, insertNotes(notes), notes);
}

async function written(tx: Transaction, statement: Statement, rows: readonly Fact[]): Promise<void> {
	const stored = await tx.query<{ idempotencyKey: string; at: Instant }>(statement);
	const times = new Map(stored.map(({ idempotencyKey, at }) => [idempotencyKey, at]));
	for (const row of rows) row.at = times.get(row.idempotencyKey) ?? null;
}

/** Stores how authorisations that waited for the buyer have ended. */
export function storeEnds(tx: Transaction, ended: readonly Note[]): void {
	if (ended.length === 0) return;
	tx.write({
		name: 'sandbox-end',
		text: `UPDATE sandbox_memory m SET ended_as = e.ended_as FROM unnest($1::text[], $2::text[]) AS e (key, ended_as)
			WHERE m.idempotency_key = e.key`,
		values: [
			textArray(ended.map(({ idempotencyKey }) => idempotencyKey)),
			plainArray(ended.map(({ endedAs }) => endedAs)),
		],
	});
}
