import type { ServerResponse } from 'node:http';

/** One message has at most this many tickets: brokers limit its size. */
const MOST_AT_ONCE = 2_000;

/** The clients of this gateway that wait for an order to change; each wait has a ticket. */
export class OpenWaits {
	readonly #tell: (tickets: readonly string[]) => void;
	readonly #open = new Set<string>();
	#gone: string[] = [];
	readonly #prefix: string;
	#count = 0;

	/** `prefix` sets this gateway's tickets apart from all others'. */
	constructor(prefix: string, tell: (tickets: readonly string[]) => void) {
		this.#prefix = prefix;
		this.#tell = tell;
	}

	/** A new wait, which ends with its response, or when the client goes away. */
	begin(res: ServerResponse): string {
		this.#count += 1;
		const ticket = `${this.#prefix}/${this.#count}`;
		this.#open.add(ticket);
		res.once('close', () => {
			this.#open.delete(ticket);
			if (!res.writableEnded) this.#leave(ticket);
		});
		return ticket;
	}

	/** Ends all waits with an answer now. */
	endAll(): void {
		this.#say([...this.#open]);
	}

	/** Clients that leave at the same time share one message. */
	#leave(ticket: string): void {
		if (this.#gone.length === 0) {
			setImmediate(() => {
				this.#say(this.#gone);
				this.#gone = [];
			});
		}
		this.#gone.push(ticket);
	}

	#say(tickets: readonly string[]): void {
		for (let from = 0; from < tickets.length; from += MOST_AT_ONCE)
			this.#tell(tickets.slice(from, from + MOST_AT_ONCE));
	}
}
