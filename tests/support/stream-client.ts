/** Reads `GET /orders/stream` as a client does. */
import { setTimeout as pause } from 'node:timers/promises';
import type { OrderView } from './client.ts';

export interface StreamEvent {
	readonly id: string;
	readonly event: string;
	readonly data: string;
}

/** One connection, until it ends. */
export class OpenStream {
	readonly events: StreamEvent[] = [];
	readonly response: Response;
	/** resolves when the connection has ended, with true if the answer was complete */
	readonly ended: Promise<boolean>;
	isOver = false;
	readonly #abort: AbortController;

	private constructor(response: Response, abort: AbortController, heard: (event: StreamEvent) => void) {
		this.response = response;
		this.#abort = abort;
		this.ended = this.#read(heard).then(
			() => true,
			() => false,
		);
	}

	/** Resolves with its header; rejects where there is no answer. */
	static async open(
		url: string,
		headers: Readonly<Record<string, string>> = {},
		heard: (event: StreamEvent) => void = () => {},
	): Promise<OpenStream> {
		const abort = new AbortController();
		const response = await fetch(`${url}/orders/stream`, { headers, signal: abort.signal });
		return new OpenStream(response, abort, heard);
	}

	/** the orders that were told, in their order */
	get orders(): OrderView[] {
		return this.events.filter(({ event }) => event === 'order').map(({ data }) => JSON.parse(data));
	}

	/** of the last event */
	get lastId(): string {
		return this.events.at(-1)?.id ?? '';
	}

	close(): void {
		this.#abort.abort();
	}

	async #read(heard: (event: StreamEvent) => void): Promise<void> {
		let text = '';
		try {
			const decoder = new TextDecoder();
			for await (const chunk of this.response.body ?? []) {
				text += decoder.decode(chunk, { stream: true });
				const blocks = text.split('\n\n');
				text = blocks.pop() ?? '';
				for (const block of blocks) {
					const event = parsed(block);
					if (event === undefined) continue;
					this.events.push(event);
					heard(event);
				}
			}
		} finally {
			this.isOver = true;
		}
	}
}

/** Undefined for a comment. */
function parsed(block: string): StreamEvent | undefined {
	const fields = new Map(
		block.split('\n').map((line) => {
			const colon = line.indexOf(':');
			return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
		}),
	);
	const [id, event, data] = ['id', 'event', 'data'].map((name) => fields.get(name));
	if (id === undefined || event === undefined || data === undefined) return undefined;
	return { id, event, data };
}

/** Listens for ever: after each end it opens the stream again after the last event that it has read. */
export class Follower {
	/** how often each order was told */
	readonly told = new Map<string, number>();
	/** what the server answered instead of a stream */
	readonly refusals: number[] = [];
	connections = 0;
	lastId: string | undefined;
	#stream: OpenStream | undefined;
	#isStopped = false;
	readonly #url: () => string | undefined;
	readonly #headers: Readonly<Record<string, string>>;
	readonly #running: Promise<void>;

	/** `url` is asked before each connection. */
	constructor(url: () => string | undefined, headers: Readonly<Record<string, string>> = {}) {
		this.#url = url;
		this.#headers = headers;
		this.#running = this.#run();
	}

	/** Breaks the connection, wherever it is. */
	interrupt(): void {
		this.#stream?.close();
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		this.interrupt();
		await this.#running;
	}

	async #run(): Promise<void> {
		while (!this.#isStopped) {
			await this.#listen().catch(() => {});
			await pause(5);
		}
	}

	async #listen(): Promise<void> {
		const url = this.#url();
		if (url === undefined) return;
		const after = this.lastId === undefined ? {} : { 'last-event-id': this.lastId };
		const stream = await OpenStream.open(url, { ...this.#headers, ...after }, (event) => {
			// What comes after the end of the test's own connection was not read.
			if (event.event === 'order') {
				const { id } = JSON.parse(event.data) as OrderView;
				this.told.set(id, (this.told.get(id) ?? 0) + 1);
			}
			this.lastId = event.id;
		});
		if (stream.response.status !== 200) this.refusals.push(stream.response.status);
		else this.connections += 1;
		this.#stream = stream;
		if (this.#isStopped) stream.close();
		await stream.ended;
	}
}
