import type { Middleware, ServiceBroker } from 'moleculer';
import { type Duration, SECOND } from '../../domain/time.ts';
import { type Log, WaitLog } from '../runtime/index.ts';

/** A process that has been on the broker for this long stays, even if another one says that it was there earlier. */
const NEWCOMER: Duration = 30 * SECOND;
/** If two come within this time, it is not certain which was there first. */
const AT_ONCE: Duration = SECOND;
/**
 * How long two may be there before both stop working. While the database moves to its standby, some processes see the
 * old server and some the new one.
 */
const TRANSITION: Duration = 10 * SECOND;

/** The field of a node's messages, and the header of a request, with the server that its database runs on. */
const SERVER = 'databaseServer';
const HEADER = '$databaseServer';
const ANNOUNCED: ReadonlySet<string> = new Set(['INFO', 'HEARTBEAT', 'DISCONNECT']);

interface Announced {
	readonly id: string;
	/** since when its process has been on the broker */
	readonly age: Duration;
}

interface Payload {
	readonly [SERVER]?: Announced;
	headers?: { [HEADER]?: string } | null;
}

interface Packet {
	readonly type: string;
	readonly payload?: Payload;
}

export interface OneDatabaseOptions {
	/** identifies the server that this process writes to; undefined while it writes to none */
	readonly server: () => string | undefined;
	readonly log: Log;
	/** called with one line when others with the same name and another database were there before */
	readonly onUnwelcome: (why: string) => void;
}

/**
 * Keeps apart two systems that meet on a broker under one name, because one's database is a copy of the other's:
 * neither hears of the other's nodes, and neither works for the other. The one that came later ends.
 */
export class OneDatabase {
	readonly #options: OneDatabaseOptions;
	readonly #waiting: WaitLog;
	#broker: ServiceBroker | undefined;
	#joinedAt: number | undefined;
	#stranger: { readonly id: string; readonly since: number; heardAt: number } | undefined;

	constructor(options: OneDatabaseOptions) {
		this.#options = options;
		this.#waiting = new WaitLog(options.log, { quiet: 2 * SECOND });
	}

	/** Why this process must not work: both systems use the same name. One sentence; undefined if it may work. */
	get trouble(): string | undefined {
		const { since, heardAt } = this.#stranger ?? { since: 0, heardAt: Number.NEGATIVE_INFINITY };
		const isThere = performance.now() - heardAt < TRANSITION;
		return isThere && heardAt - since > TRANSITION ? this.#complaint : undefined;
	}

	/**
	 * A middleware for the service broker. It must be the last, so that nothing acts on a stranger's message before it.
	 */
	get middleware(): Middleware {
		const middleware = {
			name: 'OneDatabase',
			created: (broker: ServiceBroker) => {
				this.#broker = broker;
				broker.localBus.on('$transporter.connected', () => {
					this.#joinedAt ??= performance.now();
				});
			},
			transitPublish: (next: (packet: Packet) => Promise<unknown>) => (packet: Packet) => next(this.#stamp(packet)),
			transitMessageHandler: (next: (command: string, packet: Packet) => Promise<unknown>) => {
				return async (command: string, packet: Packet) =>
					this.#isOurs(command, packet.payload ?? {}) ? next(command, packet) : false;
			},
		};
		return middleware as unknown as Middleware; // Moleculer's types take the hooks of the transporter for their results
	}

	get #age(): Duration {
		return this.#joinedAt === undefined ? 0 : performance.now() - this.#joinedAt;
	}

	get #complaint(): string {
		return `a copy of this database is in use on the same broker under the same name, ${this.#broker?.namespace}`;
	}

	#stamp(packet: Packet): Packet {
		const id = this.#options.server();
		const { type, payload } = packet;
		if (id === undefined || payload === undefined) return packet;
		if (ANNOUNCED.has(type)) Object.assign(payload, { [SERVER]: { id, age: this.#age } });
		if (type === 'REQ') payload.headers = { ...payload.headers, [HEADER]: id };
		return packet;
	}

	/** A process without its database cannot identify its server; it can do nothing either. */
	#isOurs(command: string, { headers, [SERVER]: announced }: Payload): boolean {
		const own = this.#options.server();
		const their = command === 'REQ' ? headers?.[HEADER] : announced?.id;
		if (own === undefined || their === undefined) return true;
		if (their !== own) {
			if (announced !== undefined) this.#meet(announced);
			return false;
		}
		if (this.#stranger !== undefined && performance.now() - this.#stranger.heardAt > TRANSITION) {
			this.#stranger = undefined;
			this.#waiting.over('the copy of this database has gone');
		}
		return true;
	}

	#meet({ id, age }: Announced): void {
		const now = performance.now();
		if (this.#stranger?.id === id && now - this.#stranger.heardAt < TRANSITION) this.#stranger.heardAt = now;
		else this.#stranger = { id, since: now, heardAt: now };
		this.#waiting.warn(`waiting: ${this.#complaint}`);
		if (this.#age < NEWCOMER && age > this.#age + AT_ONCE) this.#options.onUnwelcome(this.#complaint);
	}
}
