import { connect, createServer, type Server, type Socket } from 'node:net';

/** A line to a server on this machine that can go dead without a word, as when a cable is pulled, or lose answers. */
export class TcpProxy {
	readonly #server: Server;
	readonly #sockets = new Set<Socket>();
	#frozen = false;
	#answering = true;
	/** how many answers were lost */
	lost = 0;

	/** Listens on a free port of 127.0.0.1. */
	static async open(target: number): Promise<TcpProxy> {
		const proxy = new TcpProxy(target);
		await new Promise<void>((listening) => proxy.#server.listen(0, '127.0.0.1', listening));
		return proxy;
	}

	private constructor(target: number) {
		this.#server = createServer((near) => {
			const far = connect(target, '127.0.0.1');
			far.on('data', () => this.#lose(far));
			this.#join(near, far);
			this.#join(far, near);
		});
	}

	get port(): number {
		const address = this.#server.address();
		return typeof address === 'object' && address !== null ? address.port : 0;
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

	#lose(far: Socket): void {
		if (this.#answering) return;
		this.lost += 1;
		far.destroy();
	}

	#join(from: Socket, to: Socket): void {
		this.#sockets.add(from);
		if (this.#frozen) from.pause();
		from.on('data', (data) => {
			if (!this.#frozen && !from.destroyed) to.write(data);
		});
		from.on('error', () => {}); // 'close' follows
		from.on('close', () => {
			this.#sockets.delete(from);
			if (!this.#frozen) to.destroy();
		});
	}
}
