/** What `npm run brokers` and the tests know of a broker that runs on this machine without Docker. */
export interface LocalBroker {
	/** What the process listens on, as `BROKER_URL` takes it. */
	readonly url: string;
	/** Starts it, or takes over the one that already runs on this folder; resolves when it answers. Safe to repeat. */
	up(): Promise<void>;
	/** Ends it in good order; its data stays. Safe to repeat. */
	down(): Promise<void>;
	/** `kill -9` of the broker and all its children; resolves when they are gone. Its data stays. */
	kill(): Promise<void>;
	/** Removes its data; only while it is down. */
	wipe(): Promise<void>;
}

export interface LocalBrokerOptions {
	/** where all its data, logs and process ids stay; created if it is not there */
	readonly folder: string;
	/** on 127.0.0.1; further ports that the broker needs are free ones of its own choice, kept in the folder */
	readonly port: number;
}

/** A kind of broker that this machine may have. */
export interface BrokerKind {
	/** the scheme of its `BROKER_URL` */
	readonly scheme: 'amqp' | 'kafka' | 'redis';
	/** the port that its clients expect */
	readonly defaultPort: number;
	/** whether its programs are there */
	installed(): Promise<boolean>;
	/** Installs its programs (Debian packages, jars into `.tools/`), and leaves no service enabled. Safe to repeat. */
	install(): Promise<void>;
	local(options: LocalBrokerOptions): LocalBroker;
}
