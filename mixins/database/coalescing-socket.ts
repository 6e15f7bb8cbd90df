import { Socket } from 'node:net';

type Written = (error?: Error | null) => void;

/**
 * A socket on which all that is written in one turn of the event loop leaves as one piece, as the Node manual shows for
 * `writable.cork`: statements that share a round trip share a system call as well, and wake the server once.
 */
export class CoalescingSocket extends Socket {
	override write(data: string | Uint8Array, encoding?: BufferEncoding | Written, written?: Written): boolean {
		if (this.writableCorked === 0) {
			this.cork();
			process.nextTick(() => this.uncork());
		}
		return typeof encoding === 'string' ? super.write(data, encoding, written) : super.write(data, encoding);
	}
}
