import { type Duration, SECOND } from '../../domain/time.ts';

/** The nearest message of so long counts, and of as long before: clocks drift, and a suspended machine's stands still. */
const WINDOW: Duration = 10 * SECOND;

interface Peer {
	readonly instanceID: string;
	/** how far ahead of ours its clock is, as the nearest message of this window tells */
	ahead: Duration;
	/** the same of the window before */
	before: Duration;
	since: Duration;
}

/** What another process's clock shows. */
export interface PeerTime {
	/** the process whose clock it is; one that comes after it under the same name has another */
	readonly instanceID: string;
	readonly time: Duration;
}

/**
 * The monotonic clocks of other processes, as their messages tell them, in ms since an instant of each one's own. No
 * machine's time of day matters. A message takes a while, so a clock seems behind by that, and never ahead: of those
 * heard lately, the one that shows most is nearest to the truth.
 */
export class PeerClocks {
	readonly #peers = new Map<string, Peer>();

	/** Starts again for a new process of this name. */
	meet(nodeID: string, { instanceID, time }: PeerTime, now: Duration): void {
		if (this.#peers.get(nodeID)?.instanceID === instanceID) this.hear(nodeID, { instanceID, time }, now);
		else this.#peers.set(nodeID, { instanceID, ahead: time - now, before: Number.NEGATIVE_INFINITY, since: now });
	}

	/** A message of a known process; messages of its predecessor are ignored. */
	hear(nodeID: string, { instanceID, time }: PeerTime, now: Duration): void {
		const peer = this.#peers.get(nodeID);
		if (peer?.instanceID !== instanceID) return;
		if (now - peer.since > WINDOW) Object.assign(peer, { before: peer.ahead, ahead: time - now, since: now });
		else peer.ahead = Math.max(peer.ahead, time - now);
	}

	/** What a node's clock shows now, or a little less; undefined for one that has not told. */
	read(nodeID: string, now: Duration): PeerTime | undefined {
		const peer = this.#peers.get(nodeID);
		return peer && { instanceID: peer.instanceID, time: now + Math.max(peer.ahead, peer.before) };
	}

	forget(nodeID: string): void {
		this.#peers.delete(nodeID);
	}
}
