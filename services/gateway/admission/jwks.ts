import { createSecretKey } from 'node:crypto';
import { createRemoteJWKSet, customFetch, errors, type FetchImplementation, type JWTVerifyGetKey } from 'jose';
import { type Duration, MINUTE, SECOND } from '../../../domain/time.ts';
import { type Log, Loop, WaitLog } from '../../../mixins/runtime/index.ts';
import type { TokenKeys } from '../../../mixins/settings/index.ts';

/** The keys cannot be fetched now, so tokens cannot be checked. */
export class KeysUnavailable extends Error {
	override readonly name = 'KeysUnavailable';
}

/** The keys that signatures are checked with. */
export interface Keys {
	readonly key: JWTVerifyGetKey;
	/** what is missing; undefined if tokens can be checked */
	readonly waitsFor: string | undefined;
	/** Fetches the keys anew for a token that none of them fits; false if that was done a moment ago. Throws `KeysUnavailable`. */
	renew(): Promise<boolean>;
	start(): void;
	stop(): Promise<void>;
}

export interface Times {
	/** how often the keys are fetched again */
	readonly refresh: Duration;
	/**
	 * the shortest time between two fetches, whatever tokens strangers send; a new key may be unknown here for that long
	 */
	readonly retry: Duration;
	/** how long one fetch may take */
	readonly timeout: Duration;
}

const TIMES: Times = { refresh: 5 * MINUTE, retry: 4 * SECOND, timeout: 5 * SECOND };

/**
 * At most this many requests wait for a fetch. Otherwise strangers' tokens would fill the queue while the URL is slow.
 */
const MOST_WAITING = 20;

export function keysOf(keys: TokenKeys, log: Log, times: Times = TIMES): Keys {
	if (keys.kind === 'jwks') return new RemoteKeys(keys.url, log, times);
	const secret = createSecretKey(keys.secret, 'utf8');
	return {
		key: async () => secret,
		waitsFor: undefined,
		renew: async () => false,
		start: () => {},
		stop: async () => {},
	};
}

/**
 * The public keys of a JSON Web Key Set (RFC 7517, section 5) at a URL. They are fetched now and then, and at once for
 * a token that none of them fits. While the URL is away the keys that were fetched stay good; a key that the set no
 * longer contains is invalid after the next fetch.
 */
class RemoteKeys implements Keys {
	readonly #host: string;
	readonly #away: WaitLog;
	readonly #times: Times;
	readonly #jwks: ReturnType<typeof createRemoteJWKSet>;
	readonly #refreshing: Loop;
	readonly #stopping = new AbortController();
	#fetchedAt = Number.NEGATIVE_INFINITY;
	/** the last fetch brought no keys */
	#failed = false;
	#waiting = 0;

	constructor(url: string, log: Log, times: Times) {
		this.#host = new URL(url).host;
		this.#away = new WaitLog(log);
		this.#times = times;
		this.#jwks = createRemoteJWKSet(new URL(url), {
			// Keys never expire in jose's cache: it would drop them while the URL is away. Our loop fetches new ones.
			cacheMaxAge: Number.POSITIVE_INFINITY,
			// jose fetches none by itself, because it measures its pause by the wall clock. `renew` does.
			cooldownDuration: Number.POSITIVE_INFINITY,
			timeoutDuration: times.timeout,
			[customFetch]: this.#fetch,
		});
		this.#refreshing = new Loop('token keys', log, () => this.#refresh());
	}

	get waitsFor(): string | undefined {
		return this.#jwks.jwks() === undefined ? 'the keys of tokens have not been fetched yet' : undefined;
	}

	readonly key: JWTVerifyGetKey = async (header, token) => {
		try {
			if (this.#jwks.jwks() === undefined) await this.#awaitKeys();
			return await this.#jwks(header, token);
		} catch (error) {
			throw isTokensFault(error) ? error : cannotSay(error);
		}
	};

	async renew(): Promise<boolean> {
		try {
			await this.#awaitKeys();
			return true;
		} catch (error) {
			if (error instanceof TooSoon && !this.#failed) return false;
			throw cannotSay(error);
		}
	}

	start(): void {
		this.#refreshing.start();
	}

	async stop(): Promise<void> {
		this.#stopping.abort();
		await this.#refreshing.stop();
	}

	/** While the URL is away or answers nonsense, it is not fetched for each token. */
	readonly #fetch: FetchImplementation = (url, options) => {
		const now = performance.now();
		if (now - this.#fetchedAt < this.#times.retry) return Promise.reject(new TooSoon('it was asked a moment ago'));
		this.#fetchedAt = now;
		return fetch(url, { ...options, signal: AbortSignal.any([options.signal, this.#stopping.signal]) });
	};

	async #awaitKeys(): Promise<void> {
		if (this.#waiting === MOST_WAITING) throw new Error('too many wait for the keys of tokens');
		this.#waiting += 1;
		try {
			await this.#reload();
		} finally {
			this.#waiting -= 1;
		}
	}

	async #reload(): Promise<void> {
		try {
			await this.#jwks.reload();
			this.#failed = false;
		} catch (error) {
			if (!(error instanceof TooSoon)) this.#failed = true;
			throw error;
		}
	}

	async #refresh(): Promise<Duration> {
		try {
			await this.#reload();
			this.#away.over(`the keys of tokens come from ${this.#host} again`);
			return this.#times.refresh;
		} catch (error) {
			if (error instanceof TooSoon) return this.#times.retry;
			const meanwhile = this.waitsFor === undefined ? 'those that were fetched stay good' : 'there are none yet';
			const line = `the keys of tokens cannot be fetched from ${this.#host} (${reasonOf(error)}); ${meanwhile}`;
			this.#away.warn(line, 'away');
			return this.#times.retry;
		}
	}
}

class TooSoon extends Error {}

const cannotSay = (cause: unknown): KeysUnavailable =>
	new KeysUnavailable('the keys of tokens cannot be fetched', { cause });

/** The set is there, and holds no key for this token. */
const isTokensFault = (error: unknown): boolean =>
	error instanceof errors.JWKSNoMatchingKey ||
	error instanceof errors.JWKSMultipleMatchingKeys ||
	error instanceof errors.JOSENotSupported;

/** Undici hides the reason in the cause. */
function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { cause } = error;
	if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
	return error.message;
}
