import { Errors, type Middleware, type ServiceBroker } from 'moleculer';
import { type Duration, SECOND } from '../../domain/time.ts';
import {
	ANSWER_WITHIN,
	brokerReason,
	brokerTrouble,
	type Linkable,
	NotSent,
	Refusals,
	type TransporterError,
} from '../brokers/index.ts';
import { endedWithin, type Log, Loop, WaitLog } from '../runtime/index.ts';
import { isRead } from './call-policies.ts';
import { insist } from './insist.ts';
import { dropExpired, keepUnanswered } from './pending-calls.ts';

const LOOK_EVERY: Duration = SECOND;
/** A shorter loss of the connection is not logged. */
const PASSING: Duration = 2 * SECOND;
/** After this time without an echo, messages count as not passing. */
const LONGEST_SILENCE: Duration = 5 * SECOND;
/** After this silence on a connection that seems good, it is replaced; then again after each further such time. */
const RELINK_AFTER: Duration = 15 * SECOND;
/**
 * A process that was suspended has heard no node, which says nothing about the others. Longer than their heartbeats
 * take.
 */
const SUSPENDED: Duration = 3 * LOOK_EVERY;

/** How long the goodbye of a leaving node may take. */
const FAREWELL: Duration = SECOND / 2;

/** The parts of Moleculer's packets that matter here. */
interface Received {
	readonly payload?: { readonly sender?: string; readonly instanceID?: string };
}

interface Sent {
	readonly type?: string;
	readonly payload: { readonly id?: string };
}

interface SendMeta {
	readonly packet: Sent;
}

type Send = (topic: string, data: Buffer, meta: SendMeta) => Promise<void>;

interface NodeEvent {
	readonly node: { readonly id: string; readonly local: boolean; readonly instanceID: string };
}

/**
 * Watches whether messages really pass between this process and the others. A transporter may say "connected" all
 * through an outage, so the process sends itself a ping over the broker every second, and trusts only its echo.
 */
export class TransporterLink {
	readonly #transporter: Linkable;
	readonly #log: Log;
	readonly #loop: Loop;
	readonly #waiting: WaitLog;
	readonly #refusals: Refusals;
	readonly #instances = new Map<string, string>();
	#broker: ServiceBroker | undefined;
	#error: unknown;
	#connectedAt: number | undefined;
	#isUp = false;
	#heardAt = Number.NEGATIVE_INFINITY;
	#relinkedAt = Number.NEGATIVE_INFINITY;
	#lookedAt = performance.now();
	#resumedAt = Number.NEGATIVE_INFINITY;

	constructor(transporter: Linkable, log: Log) {
		this.#transporter = transporter;
		this.#log = log;
		this.#loop = new Loop('link', log, () => this.#look());
		this.#waiting = new WaitLog(log, { quiet: PASSING });
		this.#refusals = new Refusals(log);
	}

	/** Why the others cannot be reached, as one sentence without hosts; undefined while messages pass. */
	get trouble(): string | undefined {
		const { reason } = this.#refusals;
		if (reason !== undefined) return reason;
		if (!this.#transporter.connected) {
			return this.#error === undefined && this.#connectedAt === undefined
				? 'the broker has not answered yet'
				: brokerTrouble(this.#error);
		}
		return this.#silence > LONGEST_SILENCE ? 'messages do not pass through the broker' : undefined;
	}

	/** A middleware for the service broker. */
	get middleware(): Middleware {
		const middleware = {
			name: 'TransporterLink',
			created: (broker: ServiceBroker) => this.#attach(broker),
			starting: async () => this.#loop.start(),
			started: async () => {
				this.#isUp = true;
			},
			stopped: () => this.#loop.stop(),
			transitMessageHandler: (next: (command: string, packet: Received) => Promise<unknown>) => {
				return (command: string, packet: Received) => this.#receive(command, packet, next);
			},
			transitPublish: (next: (packet: Sent) => Promise<unknown>) => (packet: Sent) =>
				packet.type === 'RES' ? this.#answer(() => next(packet)) : next(this.#complete(packet)),
			transporterSend: (next: Send) => async (topic: string, data: Buffer, meta: SendMeta) => {
				try {
					await this.#patiently(next(topic, data, meta));
				} catch (error) {
					this.#fail(error instanceof NotSent ? (error.cause ?? error) : error);
					// The request may have gone out: then its answer comes, or the call's time ends. Reads are repeated.
					if (meta.packet.type === 'REQ' && !(error instanceof NotSent) && !this.#reads(meta.packet)) return;
					// Each client has its own errors; Moleculer's says that the call may be repeated.
					throw new Errors.BrokerDisconnectedError('not sent');
				}
			},
		};
		return middleware as unknown as Middleware; // Moleculer's types take the hooks of the transporter for their results
	}

	#fail(error: unknown): void {
		this.#error = error;
		this.#refusals.failed('messages', error);
	}

	/** A leaving node says goodbye, but does not wait for a silent broker. */
	#patiently(sending: Promise<unknown>): Promise<unknown> {
		const isLeaving = this.#isUp && this.#broker?.started === false;
		return isLeaving ? endedWithin(sending, FAREWELL) : sending;
	}

	get #silence(): Duration {
		return performance.now() - this.#heardAt;
	}

	#attach(broker: ServiceBroker): void {
		this.#broker = broker;
		keepUnanswered(broker);
		// Moleculer's own timer asks this as well, and first thing after a suspension, before what has come meanwhile is read.
		const { discoverer } = broker.registry;
		const check = discoverer.checkRemoteNodes.bind(discoverer);
		discoverer.checkRemoteNodes = () => {
			if (this.#isAwake()) check();
		};
		broker.localBus.on('$transporter.error', ({ error }: TransporterError) => {
			this.#fail(error);
			this.#log.debug(brokerReason(error));
		});
		broker.localBus.on('$transporter.connected', () => {
			this.#connectedAt = performance.now();
			this.#error = undefined;
			this.#loop.wake();
		});
		broker.localBus.on('$node.connected', (event: NodeEvent) => this.#meet(event));
		broker.localBus.on('$node.updated', (event: NodeEvent) => this.#meet(event));
	}

	/** A new process under the same node name does not answer the calls of the one before. */
	#meet({ node: { id, local, instanceID } }: NodeEvent): void {
		const before = this.#instances.get(id);
		this.#instances.set(id, instanceID);
		if (!local && before !== undefined && before !== instanceID)
			this.#broker?.transit?.removePendingRequestByNodeID(id);
	}

	async #receive(
		command: string,
		packet: Received,
		next: (command: string, packet: Received) => Promise<unknown>,
	): Promise<unknown> {
		const { sender, instanceID } = packet.payload ?? {};
		if (sender !== this.#broker?.nodeID) return next(command, packet);
		if (command === 'PING') {
			this.#heardAt = performance.now();
			this.#error = undefined;
			this.#refusals.done('messages');
		}
		// Another process with this node's name would make Moleculer end this one. The node slot decides which may have the
		// name.
		if (command === 'INFO' && instanceID !== this.#broker?.instanceID) return false;
		return next(command, packet);
	}

	/**
	 * Who hears a heartbeat asks for the services of a node that has others than it knows. Moleculer (0.15.2) does so by
	 * these two, and does not send them: an INFO that is lost would leave a node without its services for good.
	 */
	#complete(packet: Sent): Sent {
		const { instanceID, registry } = this.#broker ?? {};
		if (packet.type === 'HEARTBEAT') Object.assign(packet.payload, { instanceID, seq: registry?.nodes.localNode?.seq });
		return packet;
	}

	/** Until it has gone out, or its caller has given up. Moleculer drops answers while there is no connection. */
	#answer(send: () => Promise<unknown>): Promise<void> {
		const attempt = async (): Promise<unknown> => {
			if (!this.#transporter.connected) throw new NotSent('not connected');
			return send();
		};
		return insist(attempt, ANSWER_WITHIN);
	}

	#reads({ payload: { id = '' } }: Sent): boolean {
		return isRead(this.#broker?.transit?.pendingRequests.get(id)?.ctx.action);
	}

	async #look(): Promise<Duration> {
		this.#say();
		const { transit, registry, nodeID } = this.#broker ?? {};
		if (this.#transporter.connected) registry?.discoverer.checkRemoteNodes();
		this.#lookedAt = performance.now();
		if (transit !== undefined) dropExpired(transit);
		if (!this.#transporter.connected) return LOOK_EVERY;
		void transit?.sendPing(nodeID); // it tells of its own failure
		if (this.#isDeaf()) {
			this.#relinkedAt = performance.now();
			this.#transporter.relink();
		}
		return LOOK_EVERY;
	}

	/** Not suspended, and for long enough that the others could be heard again. */
	#isAwake(): boolean {
		const now = performance.now();
		if (now - this.#lookedAt >= SUSPENDED) this.#resumedAt = now;
		return now - this.#resumedAt >= SUSPENDED;
	}

	/** The connection seems good, but no ping comes back. */
	#isDeaf(): boolean {
		const now = performance.now();
		const since = Math.max(this.#heardAt, this.#relinkedAt, this.#connectedAt ?? now);
		return now - since > RELINK_AFTER;
	}

	#say(): void {
		const { trouble } = this;
		if (this.#refusals.reason !== undefined) return; // it was told when it came
		const why = this.#error === undefined ? '' : ` (${brokerReason(this.#error)})`;
		if (trouble === undefined) this.#waiting.over('messages pass through the broker again');
		else this.#waiting.warn(`waiting: ${trouble}${why}`, 'broker'); // one line a minute, however the words change
	}
}
