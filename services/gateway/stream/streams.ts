import type { ServerResponse } from 'node:http';
import { type Duration, SECOND } from '../../../domain/time.ts';
import { overloaded, type Problem, ProblemError, problem, unavailable } from '../../../mixins/http/index.ts';
import type { Log } from '../../../mixins/runtime/index.ts';
import { isAdmin } from '../../orders/caller.ts';
import type { Position } from '../../orders/changes/position.ts';
import type { Grant } from '../admission/tokens.ts';
import { CatchUp, type ReadAfter } from './catch-up.ts';
import { viewerOf } from './entry.ts';
import { Listener } from './listener.ts';
import { Tail } from './tail.ts';

export interface StreamLimits {
	/** open at once in this process */
	readonly most: number;
	/** of one customer; admins have no limit of their own */
	readonly mostOfOne: number;
}

export const STREAM_LIMITS: StreamLimits = { most: 2_000, mostOfOne: 20 };

/** In seconds: streams end rarely. */
const COME_AGAIN = '5';
/** How often it is looked which tokens have ended, and who is to be told the time. */
const BEAT: Duration = SECOND / 2;

export interface Asked extends Grant {
	readonly gatewayUrl: string;
	/** the last that the client was told; undefined for a new one */
	readonly from: Position | undefined;
}

/** All open streams of a gateway. */
export class Streams {
	readonly #limits: StreamLimits;
	readonly #dropped: () => void;
	readonly #tail: Tail;
	readonly #catchUp: CatchUp;
	readonly #open = new Set<Listener>();
	/** for each customer with any */
	readonly #ofOne = new Map<string, number>();
	#beat: NodeJS.Timeout | undefined;
	#isStopped = false;

	/** `dropped` is called for each client that did not read. */
	constructor(read: ReadAfter, dropped: () => void, log: Log, limits: StreamLimits = STREAM_LIMITS) {
		this.#limits = limits;
		this.#dropped = dropped;
		this.#tail = new Tail(
			(after) => read(after, false),
			log,
			() => this.#endEach(),
		);
		this.#catchUp = new CatchUp(this.#tail, read);
	}

	get open(): number {
		return this.#open.size;
	}

	start(): void {
		this.#tail.start();
		this.#beat ??= setInterval(() => this.#keepAlive(), BEAT).unref();
	}

	/** An order has changed. */
	readonly hint = (): void => this.#tail.wake();

	/** Resolves once the stream has begun, or its client has gone. Throws a problem, or what the orders service says. */
	async begin(res: ServerResponse, asked: Asked): Promise<void> {
		const listener = this.#admit(res, asked);
		try {
			await this.#begin(listener, asked.from);
		} catch (error) {
			this.#leave(listener, false);
			throw error;
		}
	}

	/** Ends all streams now; no other begins. */
	endAll(): void {
		this.#isStopped = true;
		this.#tail.refuse();
		this.#catchUp.refuse();
		this.#endEach();
	}

	async stop(): Promise<void> {
		this.endAll();
		clearInterval(this.#beat);
		await this.#tail.stop();
	}

	#admit(res: ServerResponse, { caller, until, gatewayUrl }: Asked): Listener {
		if (this.#isStopped) throw new ProblemError(unavailable('The service is stopping.'));
		const { subject } = caller;
		const isOneOfMany = isAdmin(caller);
		const ofOne = this.#ofOne.get(subject) ?? 0;
		if (this.#open.size >= this.#limits.most) throw new ProblemError(tooMany('Too many streams are open.'));
		if (!isOneOfMany && ofOne >= this.#limits.mostOfOne) throw new ProblemError(tooMany('You have too many streams.'));
		const closed = (listener: Listener, wasDropped: boolean): void => this.#leave(listener, wasDropped);
		const listener = new Listener(res, { viewer: viewerOf(caller, gatewayUrl), until, closed });
		this.#open.add(listener);
		if (!isOneOfMany) this.#ofOne.set(subject, ofOne + 1);
		return listener;
	}

	#leave(listener: Listener, wasDropped: boolean): void {
		if (!this.#open.delete(listener)) return;
		if (wasDropped) this.#dropped();
		this.#tail.leave(listener);
		const { caller } = listener.viewer;
		if (isAdmin(caller)) return;
		const left = (this.#ofOne.get(caller.subject) ?? 1) - 1;
		if (left === 0) this.#ofOne.delete(caller.subject);
		else this.#ofOne.set(caller.subject, left);
	}

	async #begin(listener: Listener, from: Position | undefined): Promise<void> {
		let present = await this.#tail.arrive(listener);
		if (from !== undefined && from.next > present.next) present = await this.#tail.look();
		if (this.#isStopped) throw new ProblemError(unavailable('The service is stopping.'));
		if (listener.isOver) return;
		const { position, now, next } = present;
		if (from === undefined) {
			listener.begin(position.toString(), now);
			this.#tail.join(listener, position);
			return;
		}
		if (from.database !== position.database || from.next > next) throw new ProblemError(ofAnother());
		if (!this.#tail.reaches(from)) return this.#catchUp.add(listener, from);
		listener.begin(from.toString(), now);
		this.#tail.join(listener, from);
	}

	#endEach(): void {
		for (const listener of this.#open) listener.end();
	}

	#keepAlive(): void {
		const clock = Date.now();
		const { present } = this.#tail;
		for (const listener of this.#open) {
			if (listener.until <= clock) listener.end();
			else if (!listener.isNowDue) continue;
			else if (present === undefined) listener.saySomething();
			else listener.sayNow((listener.ahead ?? present.position).toString(), present.now);
		}
	}
}

const tooMany = (detail: string): Problem => ({ ...overloaded(), detail, headers: { 'Retry-After': COME_AGAIN } });
const ofAnother = (): Problem => problem('Stream.TooOld', 'It is from before the database was restored or copied.');
