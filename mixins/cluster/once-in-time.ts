import type { ActionHandler, ActionSchema, Context, Middleware, ServiceBroker } from 'moleculer';
import type { Duration } from '../../domain/time.ts';
import { ANSWER_WITHIN, beginWithin } from '../brokers/index.ts';
import { CallTooLate, isRead } from './call-policies.ts';
import { PeerClocks } from './peer-clocks.ts';
import { RequestMemory } from './request-memory.ts';

/** The field of a node's messages with what its clock shows. */
const CLOCK = 'clock';
/** The header of a request with the process that it is for, and when that may begin it at the latest by its own clock. */
const BEGIN_BY = '$beginBy';

interface BeginBy {
	readonly instanceID: string;
	readonly time: Duration;
}

/** What packets have that matters here (Moleculer's `packets.js`). */
interface Payload {
	readonly id?: string;
	readonly sender?: string;
	readonly instanceID?: string;
	readonly action?: string;
	readonly timeout?: Duration | null;
	readonly [CLOCK]?: Duration;
	headers?: { [BEGIN_BY]?: BeginBy } | null;
}

interface Sent {
	readonly type: string;
	readonly target?: string | null;
	readonly payload: Payload;
}

interface NodeEvent {
	readonly node: { readonly id: string };
}

interface Received {
	readonly payload?: Payload;
}

/**
 * A call that changes something is carried out at most once, and does not begin when its caller may already have been
 * told that it failed. So a broker that stalls, or delivers a request twice, changes nothing later.
 */
export class OnceInTime {
	readonly #clocks = new PeerClocks();
	readonly #memory = new RequestMemory();
	#broker: ServiceBroker | undefined;

	/** A middleware for the service broker. It must be the first: nothing that waits may come after it. */
	get middleware(): Middleware {
		const middleware = {
			name: 'OnceInTime',
			created: (broker: ServiceBroker) => {
				this.#broker = broker;
				broker.localBus.on('$node.disconnected', ({ node }: NodeEvent) => this.#clocks.forget(node.id));
			},
			localAction: (next: ActionHandler, action: ActionSchema): ActionHandler => {
				if (isRead(action)) return next;
				const nodeID = this.#broker?.nodeID;
				return function (ctx) {
					const until = ctx.nodeID === nodeID ? ownLimit(ctx) : limitOf(ctx.headers);
					if (until !== undefined) Object.assign(ctx.locals, { beginBy: until });
					return isInTime(ctx) ? next.call(this, ctx) : Promise.reject(new CallTooLate());
				};
			},
			transitPublish: (next: (packet: Sent) => Promise<unknown>) => (packet: Sent) => next(this.#stamp(packet)),
			transitMessageHandler: (next: (command: string, packet: Received) => Promise<unknown>) => {
				return async (command: string, packet: Received) =>
					this.#isWanted(command, packet.payload ?? {}) ? next(command, packet) : false;
			},
		};
		return middleware as unknown as Middleware; // Moleculer's types take the hooks of the transporter for their results
	}

	#stamp(packet: Sent): Sent {
		const { type, target, payload } = packet;
		const now = performance.now();
		if (type === 'INFO' || type === 'HEARTBEAT') Object.assign(payload, { [CLOCK]: now });
		if (type !== 'REQ' || !target) return packet;
		const pending = this.#broker?.transit?.pendingRequests.get(payload.id ?? '');
		const their = this.#clocks.read(target, now);
		if (their === undefined || isRead(pending?.ctx.action)) return packet;
		const beginBy = { ...their, time: their.time + beginWithin(payload.timeout ?? 0) };
		payload.headers = { ...payload.headers, [BEGIN_BY]: beginBy };
		return packet;
	}

	#isWanted(command: string, payload: Payload): boolean {
		const { sender = '', instanceID = '', [CLOCK]: time } = payload;
		const now = performance.now();
		if (command === 'INFO' && time !== undefined) this.#clocks.meet(sender, { instanceID, time }, now);
		if (command === 'HEARTBEAT' && time !== undefined) this.#clocks.hear(sender, { instanceID, time }, now);
		return command !== 'REQ' || this.#isNew(payload, now);
	}

	/** A request without a time is from an earlier version, or reads. */
	#isNew(payload: Payload, now: Duration): boolean {
		const beginBy = payload.headers?.[BEGIN_BY];
		if (beginBy === undefined) return true;
		// For the predecessor of this process, which may have carried it out.
		if (beginBy.instanceID !== this.#broker?.instanceID) return false;
		const until = Math.min(beginBy.time, now + beginWithin(0));
		return this.#memory.isNew(`${payload.sender} ${payload.id}`, until, until + ANSWER_WITHIN, now);
	}
}

/** A call within this process may wait as well, for a place in the bulkhead. */
function ownLimit({ options, startHrTime }: Context): Duration | undefined {
	if (!startHrTime) return undefined;
	const [seconds, nanoseconds] = process.hrtime(startHrTime);
	return performance.now() - seconds * 1e3 - nanoseconds / 1e6 + beginWithin(options.timeout ?? 0);
}

const limitOf = (headers: Payload['headers']): Duration | undefined => headers?.[BEGIN_BY]?.time;

/** Whether a call may still be carried out; to be asked after a wait, before the change. */
export const isInTime = ({ locals }: { readonly locals: { readonly beginBy?: Duration } }): boolean =>
	performance.now() <= (locals.beginBy ?? Number.POSITIVE_INFINITY);
