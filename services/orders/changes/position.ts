/**
 * How far somebody has been told of the history of all orders, in the order of commits.
 *
 * Neither ids nor times have that order: they are given before the commit, and a transaction that began earlier may
 * commit later. PostgreSQL's own answer is a snapshot (manual, "System Information Functions", `pg_snapshot`): all
 * transactions below `next` have ended, except those in `open`. What a snapshot does not cover is still to be told. So a
 * position is a snapshot; and in the middle of a transaction it also says how many of its entries were told.
 */
import { crc32 } from 'node:zlib';

/** What the server had committed at one moment. */
export interface Snapshot {
	/** this transaction and all later ones had not begun */
	readonly next: number;
	/** earlier ones that had not ended, in ascending order */
	readonly open: readonly number[];
}

/** The place of an entry: its transaction, and which of its entries it is, from 0. */
export interface Place {
	readonly xact: number;
	readonly index: number;
}

/** No server has more transactions at work. */
const MOST_OPEN = 10_000;
const RADIX = 36;

export class Position implements Snapshot {
	/** the database whose transactions these are: a copy counts its own */
	readonly database: string;
	readonly next: number;
	readonly open: readonly number[];
	/** transactions that are told in part, and how many of their entries are; none of them is covered by the snapshot */
	readonly begun: ReadonlyMap<number, number>;

	private constructor(database: string, { next, open }: Snapshot, begun: ReadonlyMap<number, number>) {
		this.database = database;
		this.next = next;
		this.open = open;
		this.begun = begun;
	}

	/** All that was committed then is told. */
	static at(database: string, snapshot: Snapshot): Position {
		return new Position(database, snapshot, new Map());
	}

	/** Undefined for a text that no position was ever written as. */
	static parse(text: string): Position | undefined {
		const [, body = '', sum] = /^([\w-]{11}(?:\.[0-9a-z_-]*){3})\.([0-9a-z]{1,7})$/.exec(text) ?? [];
		if (sum !== checksum(body)) return undefined;
		const [database = '', last = '', open = '', begun = ''] = body.split('.');
		const next = numberOf(last);
		const snapshot = { next, open: partsOf(open).map((part) => next - numberOf(part)) };
		const parts = partsOf(begun).map((part) => part.split('_').map(numberOf));
		const told = new Map(parts.map(([xact = Number.NaN, count = Number.NaN]) => [xact, count]));
		const numbers = [next, ...snapshot.open, ...told.keys(), ...told.values()];
		const isSound = snapshot.open.length <= MOST_OPEN && numbers.every((number) => Number.isSafeInteger(number));
		return isSound ? new Position(database, snapshot, told) : undefined;
	}

	/** Letters, digits, `-`, `_` and dots. */
	toString(): string {
		const open = this.open.map((xact) => (this.next - xact).toString(RADIX)).join('-');
		const begun = Array.from(this.begun, (pair) => pair.map((part) => part.toString(RADIX)).join('_')).join('-');
		const body = `${this.database}.${this.next.toString(RADIX)}.${open}.${begun}`;
		return `${body}.${checksum(body)}`;
	}

	hasTold({ xact, index }: Place): boolean {
		return index < this.#countOf(xact);
	}

	/** Whether it has told all that `other` has. */
	covers(other: Position): boolean {
		if (this.database !== other.database || this.next < other.next) return false;
		if (this.open.some((xact) => other.#isTold(xact))) return false;
		return Array.from(other.begun).every(([xact, count]) => this.#countOf(xact) >= count);
	}

	/** All that one of the two has told. */
	with(other: Position): Position {
		const [high, low] = this.next >= other.next ? [this, other] : [other, this];
		const open = high.open.filter((xact) => !low.#isTold(xact));
		const begun = new Map<number, number>();
		for (const [xact, count] of [...high.begun, ...low.begun]) {
			if (high.#isTold(xact) || low.#isTold(xact)) continue;
			begun.set(xact, Math.max(count, begun.get(xact) ?? 0));
		}
		return new Position(this.database, { next: high.next, open }, begun);
	}

	/** What both have told, and nothing else. */
	common(other: Position): Position {
		const [high, low] = this.next >= other.next ? [this, other] : [other, this];
		const open = new Set([...low.open, ...high.open.filter((xact) => xact < low.next)]);
		const begun = new Map<number, number>();
		for (const xact of [...high.begun.keys(), ...low.begun.keys()]) {
			const count = Math.min(high.#countOf(xact), low.#countOf(xact));
			if (count > 0 && Number.isFinite(count)) begun.set(xact, count);
		}
		const snapshot = { next: low.next, open: [...open].sort((a, b) => a - b) };
		return new Position(this.database, snapshot, begun);
	}

	/**
	 * The position of an entry: entries that it has not told are read in the order of their transactions, and this one is
	 * the last that was told. `seen`: what was committed at that reading.
	 */
	upTo({ xact, index }: Place, seen: Snapshot): Position {
		const isDone = (earlier: number): boolean => earlier < seen.next && !seen.open.includes(earlier);
		const next = Math.max(this.next, xact);
		const open = [
			...this.open.filter((earlier) => earlier >= xact || !isDone(earlier)),
			...seen.open.filter((earlier) => earlier >= this.next && earlier < xact),
		];
		const begun = new Map(Array.from(this.begun).filter(([other]) => other > xact));
		return new Position(this.database, { next, open }, begun.set(xact, index + 1));
	}

	/** How many entries of a transaction are told. */
	#countOf(xact: number): number {
		return this.#isTold(xact) ? Number.POSITIVE_INFINITY : (this.begun.get(xact) ?? 0);
	}

	#isTold(xact: number): boolean {
		return xact < this.next && !this.open.includes(xact);
	}
}

const checksum = (body: string): string => crc32(body).toString(RADIX);
const partsOf = (text: string): string[] => (text === '' ? [] : text.split('-'));
/** What is no number is refused by its caller. */
const numberOf = (text: string): number => (/^[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text, RADIX) : Number.NaN);
