import type { Duration } from '../../../domain/time.ts';
import type { Loop } from '../../runtime/index.ts';

/** Who looks for longer than this may hang; then another loop looks as well. */
const LONGEST_LOOK: Duration = 200;

/**
 * Which of the loops of one consumer looks for messages. One waits for the next message and looks; while it handles what
 * it has found, another waits and looks. So the others cost no statement (the pattern "leader and followers").
 */
export class Lookout {
	readonly #loops = new Set<Loop>();
	/** those that handle what they have found */
	readonly #handling = new Set<Loop>();
	#leader: Loop | undefined;
	/** when the next look is due, by the process's timer */
	#next = Number.NEGATIVE_INFINITY;
	#lookingSince: number | undefined;
	#hints = 0;
	#expects = true;

	add(loop: Loop): void {
		this.#loops.add(loop);
	}

	/** The loop has ended. */
	delete(loop: Loop): void {
		this.#loops.delete(loop);
		this.handles(loop);
		this.#handling.delete(loop);
	}

	/** False if the next look is only for what may have been lost: nobody has told of a message. */
	get expects(): boolean {
		return this.#expects;
	}

	/** There may be something to take now. */
	wake(): void {
		this.#hints += 1;
		this.#expects = true;
		this.#next = Number.NEGATIVE_INFINITY;
		if (this.#leader === undefined) this.#wakeNext();
		else this.#leader.wake();
	}

	/** How long `loop` has to wait before it looks, `most` at most; 0: it looks now. */
	wait(loop: Loop, most: Duration): Duration {
		this.#handling.delete(loop);
		const now = performance.now();
		const hangs = this.#lookingSince !== undefined && now - this.#lookingSince > LONGEST_LOOK;
		if (this.#leader !== undefined && this.#leader !== loop && !hangs) return most;
		this.#leader = loop;
		return Math.max(0, Math.min(most, this.#next - now));
	}

	/**
	 * `loop` looks. What comes back is to be told, at the end of the look, when the next message is due, if that is known,
	 * and otherwise how long the next look may wait.
	 */
	look(loop: Loop): (left: Duration, isKnown?: boolean) => void {
		if (this.#leader === loop) this.#lookingSince = performance.now();
		const hints = this.#hints;
		return (left, isKnown = true) => {
			if (this.#leader !== loop) return; // the look took too long
			this.#lookingSince = undefined;
			const isNew = hints !== this.#hints;
			this.#next = isNew ? Number.NEGATIVE_INFINITY : performance.now() + left;
			this.#expects = isNew || isKnown;
		};
	}

	/** `loop` does not look for now: another does. */
	handles(loop: Loop): void {
		this.#handling.add(loop);
		if (this.#leader !== loop) return;
		this.#leader = undefined;
		this.#lookingSince = undefined;
		this.#wakeNext();
	}

	#wakeNext(): void {
		[...this.#loops].find((loop) => !this.#handling.has(loop))?.wake();
	}
}
