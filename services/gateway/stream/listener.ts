import type { ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { type Duration, type Instant, SECOND } from '../../../domain/time.ts';
import { SECURITY_HEADERS } from '../../../mixins/http/index.ts';
import type { Position } from '../../orders/changes/position.ts';
import type { Viewer } from './entry.ts';
import { COMMENT, nowText } from './format.ts';

/** A client that does not read is dropped once so much waits for it; it resumes by the last id that it has read. */
export const MOST_WAITING = 1024 * 1024;
/** How often a stream says what time it is. */
export const SAY_NOW: Duration = 15 * SECOND;
/** How long the end of a stream may take to be read. */
const LINGER: Duration = SECOND;

/** Proxies are to pass on each event at once, and as it is. */
export const HEADERS = {
	...SECURITY_HEADERS,
	'Content-Type': 'text/event-stream',
	'Cache-Control': 'no-store, no-transform',
	'X-Accel-Buffering': 'no',
};

export interface ListenerOptions {
	readonly viewer: Viewer;
	/** when its token ends, in milliseconds since 1970 */
	readonly until: Instant;
	/** called once, when it is over for whatever reason */
	readonly closed: (listener: Listener, wasDropped: boolean) => void;
}

/** One open stream. */
export class Listener {
	readonly viewer: Viewer;
	readonly until: Instant;
	/** what was told already, while that may be more than the others here were told */
	ahead: Position | undefined;
	readonly #res: ServerResponse;
	#saidNow = performance.now();
	#wasDropped = false;

	constructor(res: ServerResponse, { viewer, until, closed }: ListenerOptions) {
		this.#res = res;
		this.viewer = viewer;
		this.until = until;
		res.once('close', () => closed(this, this.#wasDropped));
	}

	get isOver(): boolean {
		return this.#res.writableEnded || this.#res.destroyed;
	}

	get #hasBegun(): boolean {
		return this.#res.headersSent && !this.isOver;
	}

	/** How many bytes wait for the client to read. */
	get waiting(): number {
		return this.#res.writableLength;
	}

	/** Sends the header and the first event. */
	begin(id: string, now: Instant): void {
		this.#res.shouldKeepAlive = false; // it is the last answer of this connection
		this.#res.writeHead(200, HEADERS);
		this.sayNow(id, now);
	}

	write(chunk: Buffer): void {
		if (!this.#hasBegun) return;
		this.#res.write(chunk);
		if (this.waiting > MOST_WAITING) this.drop();
	}

	get isNowDue(): boolean {
		return this.#hasBegun && performance.now() - this.#saidNow >= SAY_NOW;
	}

	sayNow(id: string, now: Instant): void {
		this.#saidNow = performance.now();
		this.write(Buffer.from(nowText(id, now)));
	}

	/** Keeps the connection open without a word about the time. */
	saySomething(): void {
		this.#saidNow = performance.now();
		this.write(COMMENT);
	}

	/** Drops a client that has not read for too long. */
	drop(): void {
		if (this.isOver) return;
		this.#wasDropped = true;
		this.#res.destroy();
	}

	/** The client may come again. One that has not begun gets another answer. */
	end(): void {
		if (!this.#hasBegun) return;
		this.#res.end();
		const timer = setTimeout(() => this.#res.destroy(), LINGER);
		this.#res.once('close', () => clearTimeout(timer));
	}
}
