/** Drives a trace through the real code and compares the states. */
import { createHash } from 'node:crypto';
import { type Random, seeded } from '../support/random.ts';
import { until } from '../support/until.ts';
import { compare } from './compare.ts';
import { A_WHILE, type Deed, deedOf } from './deeds.ts';
import { Difference, within } from './difference.ts';
import { Expected } from './history.ts';
import { added, type Move, messageOf, movesOf, orderOf } from './moves.ts';
import { observe } from './observe.ts';
import { isExpected } from './slot.ts';
import type { State, Trace } from './trace.ts';
import { tellMoves } from './words.ts';
import type { World } from './world.ts';

export interface Count {
	/** moves that were done and compared */
	moves: number;
	/** transactions that were begun while another one held the order's lock */
	overlapped: number;
	/** transactions that died before their commit, and were done again */
	died: number;
}

export const nothing = (): Count => ({ moves: 0, overlapped: 0, died: 0 });

/** How often a transaction dies before its commit, and how often the next one begins before it. */
const DIES = 0.12;
const OVERLAPS = 0.5;

const OVERLAP = 'the next one begins before this one commits';

/**
 * Walks through a trace. Which transactions die or overlap is drawn from the trace's name, so a trace is always played
 * the same way. Throws a Difference with the whole story.
 */
export async function replay(world: World, trace: Trace, count: Count = nothing()): Promise<Count> {
	return new Replay(world, trace, count).run();
}

class Replay {
	readonly #world: World;
	readonly #trace: Trace;
	readonly #count: Count;
	readonly #moves: readonly Move[];
	readonly #random: Random;
	readonly #expected = new Expected();
	readonly #notes = new Map<number, string>();

	constructor(world: World, trace: Trace, count: Count) {
		this.#world = world;
		this.#trace = trace;
		this.#count = count;
		this.#moves = movesOf(trace);
		this.#random = seeded(createHash('sha256').update(trace.name).digest().readUInt32LE());
	}

	async run(): Promise<Count> {
		await this.#world.begin(this.#trace, this.#random() < 0.5);
		let at = 0;
		try {
			while (at < this.#moves.length) at += await this.#next(at);
		} catch (error) {
			throw this.#story(at, error);
		}
		return this.#count;
	}

	/** Does one move, or two that overlap; answers how many. */
	async #next(at: number): Promise<number> {
		const move = this.#at(at);
		const deed = await deedOf(this.#world, move);
		if (deed.waits) await this.#world.pass(A_WHILE);
		if (deed.repeatable && this.#random() < DIES) await this.#dieBeforeCommit(at, move, deed);
		const other = this.#random() < OVERLAPS ? await this.#overlapping(at, deed) : undefined;
		if (other === undefined) await deed.run();
		else await this.#overlap(at, deed, other);
		const done = other === undefined ? 1 : 2;
		for (let place = at; place < at + done; place += 1) this.#follow(this.#at(place));
		await this.#compare(this.#at(at + done - 1).after);
		this.#count.moves += done;
		return done;
	}

	/** The process dies with its transaction open: nothing has changed, and whoever comes next can do it. */
	async #dieBeforeCommit(at: number, { before }: Move, { transaction, run }: Deed): Promise<void> {
		if (transaction === undefined) return;
		const pause = transaction.database.pauseAt(`before:${transaction.name}`);
		const dying = run().then(
			() => true,
			() => false,
		);
		await within(Promise.race([pause.reached, dying]), `${transaction.name} comes to its commit`);
		pause.die();
		if (await dying) throw new Difference(`${transaction.name} is well although its transaction was undone`);
		this.#notes.set(at, 'died before the commit, and was done again');
		this.#count.died += 1;
		await this.#compare(before);
	}

	/** The next move, if its transaction can begin while this one's is open. */
	async #overlapping(at: number, deed: Deed): Promise<Deed | undefined> {
		const [move, next] = [this.#at(at), this.#moves[at + 1]];
		if (next === undefined || deed.transaction === undefined || orderOf(next) !== orderOf(move)) return undefined;
		const message = messageOf(next);
		const isThere = message === undefined || this.#world.holds(message);
		if (!isThere) return undefined;
		const other = await deedOf(this.#world, next, 2);
		// Commands of one order go one after the other in a process, so those of the buyer never overlap.
		return other.who !== deed.who && other.transaction !== undefined && !other.passesOver && !other.waits
			? other
			: undefined;
	}

	/** Both transactions are open at once; the second one must wait for the order's lock, and decide by what it finds then. */
	async #overlap(at: number, first: Deed, second: Deed): Promise<void> {
		if (first.transaction === undefined) return;
		const { name, database } = first.transaction;
		const pause = database.pauseAt(`before:${name}`);
		const one = first.run();
		one.catch(() => {});
		await within(Promise.race([pause.reached, one]), `${name} comes to its commit`);
		let ended = false;
		const two = second.run().finally(() => {
			ended = true;
		});
		two.catch(() => {});
		await until(async () => ended || (await this.#world.isSomebodyWaiting()), 'the second transaction waits');
		if (ended) {
			pause.release();
			await two;
			throw new Difference(`${second.transaction?.name} did not wait for the order's lock, which ${name} held`);
		}
		pause.release();
		await within(one, `${name} is committed`);
		await within(two, `${second.transaction?.name} is committed`);
		this.#notes.set(at, OVERLAP);
		this.#count.overlapped += 1;
	}

	/** What the carrier took off its list, and what the history must say now. */
	#follow({ before, after, states }: Move): void {
		for (const message of added(after.carrier, before.carrier)) this.#world.drop(message);
		let last = before;
		for (const state of states) {
			this.#expected.step(last, state);
			last = state;
		}
		this.#world.now = after.clock;
	}

	async #compare(state: State): Promise<void> {
		const world = this.#world;
		await world.forward();
		const seen = await observe(world.server);
		const raised = world.measures.messages ? world.names.bind(state, seen) : [];
		if (raised.length > 0) throw new Difference(raised.join('\n'));
		const found = [
			...compare(state, seen, world.names, world.measures, world.held.ids),
			...this.#expected.compare(seen, world.names.orders),
			...world.unclaimed.map((call) => `${call}; the model knows of no such call`),
			...world.log.lines.filter((line) => line.startsWith('error') && !isExpected(line)),
		];
		if (found.length > 0) throw new Difference(found.join('\n'));
		// Within a tick moments may lie apart; nearer to half a tick they could be taken for those of another.
		if (world.clock.drift > world.measures.tick / 3) throw new Error('the trace takes too long for its ticks');
	}

	#at(index: number): Move {
		const move = this.#moves[index];
		if (move === undefined) throw new Error(`${this.#trace.name} has no move ${index}`);
		return move;
	}

	#story(at: number, error: unknown): Error {
		const last = this.#notes.get(at) === OVERLAP ? at + 2 : at + 1;
		const told = tellMoves(this.#moves.slice(0, last), this.#notes);
		const reason = error instanceof Difference ? error.message : (error as Error).stack;
		return new Difference(`${this.#trace.name}\n${told}\n${reason}`, { cause: error });
	}
}
