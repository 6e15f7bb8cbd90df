import { setTimeout as pause } from 'node:timers/promises';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { ProblemError, unavailable } from '../../../mixins/http/index.ts';
import type { Changes } from '../../orders/changes/entry.ts';
import type { Position } from '../../orders/changes/position.ts';
import { deliver } from './deliver.ts';
import { Entry } from './entry.ts';
import type { Listener } from './listener.ts';
import { isTooOld, positionOf, type Tail } from './tail.ts';

/** Who comes back within this time shares the queries. */
const COLLECT: Duration = 20;
/** Groups that read at the same time; others wait. */
const GROUPS = 2;
/** The next part is read once no more than this waits for each client; one that takes longer is dropped, and resumes. */
const READ_ON = 64 * 1024;
const READ_ON_PATIENCE: Duration = 5 * SECOND;
const LOOK_AGAIN: Duration = 10;

/** Reads what comes after a position, from the present without one; refuses one that is too far behind if `bounded`. */
export type ReadAfter = (after: string | undefined, bounded: boolean) => Promise<Changes>;

interface Returning {
	readonly listener: Listener;
	readonly from: Position;
	readonly begun: PromiseWithResolvers<void>;
}

/**
 * Tells those who come back from longer ago than the tail keeps what they have missed, page by page, as fast as they
 * read. Who comes back together shares the pages: nobody is told what they were told before.
 */
export class CatchUp {
	readonly #tail: Tail;
	readonly #read: ReadAfter;
	#returning: Returning[] = [];
	#collecting: NodeJS.Timeout | undefined;
	#groups = 0;

	constructor(tail: Tail, read: ReadAfter) {
		this.#tail = tail;
		this.#read = read;
	}

	/** Resolves once its stream has begun; rejects if nothing can be told, with 410 if it was away for too long. */
	async add(listener: Listener, from: Position): Promise<void> {
		const begun = Promise.withResolvers<void>();
		this.#returning.push({ listener, from, begun });
		this.#collecting ??= setTimeout(() => this.#next(), COLLECT);
		await begun.promise;
	}

	/** Refuses those who have not begun. */
	refuse(): void {
		for (const { begun } of this.#returning.splice(0)) begun.reject(new ProblemError(unavailable()));
	}

	#next(): void {
		this.#collecting = undefined;
		if (this.#groups === GROUPS || this.#returning.length === 0) return;
		this.#groups += 1;
		const group = this.#returning.splice(0).filter(({ listener }) => !listener.isOver);
		group.sort((a, b) => a.from.next - b.from.next);
		this.#tellGroup(group)
			.catch((error) => {
				for (const { begun, listener } of group) {
					begun.reject(error); // of no effect on one that has begun
					if (!this.#tail.listeners.has(listener)) listener.end();
				}
			})
			.finally(() => {
				this.#groups -= 1;
				this.#next();
			});
	}

	async #tellGroup(group: Returning[]): Promise<void> {
		const begun = await this.#begin(group);
		let page = begun?.page;
		let members = begun?.members ?? [];
		while (page !== undefined && members.length > 0) {
			const entries = page.data.map((dto) => new Entry(dto));
			const position = positionOf(page.cursor);
			deliver(entries, members);
			for (const listener of members) listener.ahead = listener.ahead?.with(position);
			if (this.#tail.reaches(position)) {
				for (const listener of members) if (!listener.isOver) this.#tail.join(listener, listener.ahead ?? position);
				return;
			}
			members = await readers(members);
			page = await this.#read(page.cursor, false);
		}
	}

	/** The first page, after the oldest position that is not too old; the streams have begun then. */
	async #begin(group: Returning[]): Promise<{ page: Changes; members: Listener[] } | undefined> {
		for (const [index, { begun }] of group.entries()) {
			try {
				const page = await this.#read(oldest(group.slice(index)).toString(), true);
				return { page, members: group.slice(index).map((one) => began(one, page)) };
			} catch (error) {
				if (!isTooOld(error)) throw error;
				begun.reject(error);
			}
		}
		return undefined;
	}
}

/** What all of them were told. */
const oldest = (group: readonly Returning[]): Position =>
	group.map(({ from }) => from).reduce((common, from) => common.common(from));

function began({ listener, from, begun }: Returning, { now }: Changes): Listener {
	if (!listener.isOver) listener.begin(from.toString(), now);
	listener.ahead = from;
	begun.resolve();
	return listener;
}

/** Those who have read what was sent to them; who has not after a while is dropped. */
async function readers(members: readonly Listener[]): Promise<Listener[]> {
	const deadline = performance.now() + READ_ON_PATIENCE;
	const slow = (): Listener[] => members.filter(({ isOver, waiting }) => !isOver && waiting > READ_ON);
	while (slow().length > 0 && performance.now() < deadline) await pause(LOOK_AGAIN);
	for (const listener of slow()) listener.drop();
	return members.filter(({ isOver }) => !isOver);
}
