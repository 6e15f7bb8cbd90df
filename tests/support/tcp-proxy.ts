import { connect, createServer, type Server, type Socket } from 'node:net';

/** A line to a server on this machine that can go dead without a word, as when a cable is pulled, stall, or lose answers. */
export class TcpProxy {
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	/** of clients that hear nothing more, though all that they asked arrives */
	readonly #unheard = new WeakSet<Socket>();
	#frozen = false;
	#stalled = false;
	#answering = true;
	#marker: { readonly text: string; readonly unseen: number } | undefined;
	/** how many answers were lost */
	lost = 0;
	/** what becomes of all that a client asks */
	asks = (data: Buffer): Buffer => data;
	/** what becomes of all that the server answers to this client */
	answers = (data: Buffer, _client: Socket): Buffer => data;

	/** Listens on a free port of 127.0.0.1. `target`: a port of this machine, or the path of a Unix socket. */
	static async open(target: number | string): Promise<TcpProxy> {
		const proxy = new TcpProxy(target);
		await new Promise<void>((listening) => proxy.#server.listen(0, '127.0.0.1', listening));
		return proxy;
	}

	private constructor(target: number | string) {
		this.#server = createServer((near) => {
			const far = typeof target === 'string' ? connect(target) : connect(target, '127.0.0.1');
			let isMarked = false;
			near.on('data', (data) => {
				isMarked = this.#sees(data) || isMarked;
			});
			far.on('data', () => {
				if (!this.#answering) this.#lose(far);
				else if (isMarked && (this.#marker?.unseen ?? 0) <= 0) this.#leaveUnheard(near);
			});
			this.#join(near, far, (data) => this.asks(data));
			this.#join(far, near, (data) => this.answers(data, near));
		});
	}

	get port(): number {
		const address = this.#server.address();
		return typeof address === 'object' && address !== null ? address.port : 0;
	}

	get isFrozen(): boolean {
		return this.#frozen;
	}

	/** Nothing passes any more in either direction, and nobody is told. */
	freeze(): void {
		this.#frozen = true;
		for (const socket of this.#sockets) socket.pause();
	}

	/** New connections pass again; those that went dead stay so. */
	thaw(): void {
		this.#frozen = false;
	}

	/** Nothing passes for a while in either direction. */
	stall(): void {
		this.#stalled = true;
		for (const socket of this.#sockets) socket.pause();
	}

	/** All that was held up passes now. */
	resume(): void {
		this.#stalled = false;
		for (const socket of this.#sockets) socket.resume();
	}

	/**
	 * So many pieces of data with this text arrive; whatever would come back on the connections that they went by is lost,
	 * and ends them, once the last one has passed.
	 */
	loseAnswersTo(text: string, count: number): void {
		this.#marker = { text, unseen: count };
	}

	/** What is asked arrives; each answer ends its connection and is lost. */
	loseAnswers(): void {
		this.#answering = false;
	}

	/** Answers pass again, on new connections. */
	answer(): void {
		this.#answering = true;
	}

	async close(): Promise<void> {
		for (const socket of this.#sockets) socket.destroy();
		await new Promise((closed) => this.#server.close(closed));
	}

	#sees(data: Buffer): boolean {
		if (this.#marker === undefined || this.#marker.unseen <= 0) return false;
		const found = data.toString('latin1').split(this.#marker.text).length - 1;
		this.#marker = { ...this.#marker, unseen: this.#marker.unseen - found };
		return found > 0;
	}

	#lose(far: Socket): void {
		this.lost += 1;
		far.destroy();
	}

	#leaveUnheard(near: Socket): void {
		this.lost += this.#unheard.has(near) ? 0 : 1;
		this.#unheard.add(near);
		near.destroy();
	}

	#join(from: Socket, to: Socket, change: (data: Buffer) => Buffer): void {
		this.#sockets.add(from);
		if (this.#frozen || this.#stalled) from.pause();
		from.on('data', (data) => {
			if (!this.#frozen && !from.destroyed && !to.destroyed) to.write(change(data));
		});
		from.on('error', () => {}); // 'close' follows
		from.on('close', () => {
			this.#sockets.delete(from);
			if (this.#unheard.has(from)) to.end();
			else if (!this.#frozen) to.destroy();
		});
	}
}
