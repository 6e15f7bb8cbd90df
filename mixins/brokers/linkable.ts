import type { Transporters } from 'moleculer';

/** A transporter that can be told to begin again, when messages no longer come through though it seems connected. */
export interface Linkable extends Transporters.Base {
	/** Drops its connections; they are opened anew, after a while if need be. */
	relink(): void;
}

/** What `$transporter.error` carries; Moleculer's own transporters say it of most failures, ours of all. */
export interface TransporterError {
	readonly error: unknown;
}

/** A message that has certainly not left this process. After any other failure to send it may have left. */
export class NotSent extends Error {
	override readonly name = 'NotSent';
}
