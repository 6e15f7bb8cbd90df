/** The admission: decides which requests are let in, and how often. */
import type { IncomingMessage } from 'node:http';
import { type Duration, SECOND } from '../../../domain/time.ts';
import type { Database } from '../../../mixins/database/index.ts';
import { type Problem, ProblemError, problem } from '../../../mixins/http/index.ts';
import type { Log } from '../../../mixins/runtime/index.ts';
import type { Access } from '../../../mixins/settings/index.ts';
import type { Caller } from '../../orders/caller.ts';
import { ANYBODY, grantOf } from './authenticate.ts';
import { ClientAddresses } from './client-address.ts';
import { refuseOtherHosts } from './host.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type Grant, Tokens } from './tokens.ts';

/** A `HOST` that is not this machine's alone. */
const ANYWHERE = '0.0.0.0';

export class Admission {
	/** undefined: everybody may everything */
	readonly #tokens: Tokens | undefined;
	readonly #limiter: RateLimiter | undefined;
	readonly #addresses: ClientAddresses;
	/** where the gateway listens, if it checks no tokens there */
	readonly #openAt: string | undefined;

	/** The limit is shared through the database. */
	constructor({ auth, rateLimit, trustProxy }: Access, database: Pick<Database, 'query'>, log: Log) {
		this.#tokens = auth.kind === 'jwt' ? new Tokens(auth, log) : undefined;
		this.#limiter = rateLimit && new RateLimiter(rateLimit, database, log);
		this.#addresses = new ClientAddresses(trustProxy);
		this.#openAt = auth.kind === 'off' ? auth.host : undefined;
	}

	/** what is missing before requests can be let in; undefined if nothing is */
	get waitsFor(): string | undefined {
		return this.#tokens?.keys.waitsFor;
	}

	start(): void {
		this.#tokens?.keys.start();
		this.#limiter?.start();
	}

	async stop(): Promise<void> {
		await Promise.all([this.#tokens?.keys.stop(), this.#limiter?.stop()]);
	}

	/** Without tokens, throws the problem of a request whose host is not one of ours. */
	checkHost(req: IncomingMessage, destination: string): void {
		if (this.#openAt === undefined) return;
		// Metrics collectors, like probes, use a network name for this machine.
		refuseOtherHosts(req, destination === 'metrics' ? ANYWHERE : this.#openAt);
	}

	/** The path below which the client sees the gateway, as far as a trusted proxy says so. */
	prefixOf(req: IncomingMessage): string {
		return this.#addresses.prefixOf(req);
	}

	/** Where the client sees the gateway; undefined if the request names no host. */
	urlOf(req: IncomingMessage): string | undefined {
		return this.#addresses.urlOf(req);
	}

	/** The caller of a request. Throws a problem if the caller is not let in or comes too often. */
	async admit(req: IncomingMessage): Promise<Caller> {
		return (await this.grant(req)).caller;
	}

	/** The same with the moment up to which it holds. */
	async grant(req: IncomingMessage): Promise<Grant> {
		if (this.#tokens === undefined) {
			await this.admitUnknown(req);
			return { caller: ANYBODY, until: Number.POSITIVE_INFINITY };
		}
		const grant = await grantOf(req, this.#tokens).catch(async (error) => {
			// Requests with a bad token count for their address; otherwise anybody could try tokens without limit.
			await this.admitUnknown(req);
			throw error;
		});
		await this.#count(`token ${grant.caller.subject}`);
		return grant;
	}

	/** The same for requests that need no token. */
	async admitUnknown(req: IncomingMessage): Promise<void> {
		if (this.#limiter !== undefined) await this.#count(`address ${this.#addresses.of(req)}`);
	}

	async #count(client: string): Promise<void> {
		const wait = (await this.#limiter?.admit(client)) ?? 0;
		if (wait > 0) throw new ProblemError(tooMany(wait));
	}
}

function tooMany(wait: Duration): Problem {
	return problem('RateLimit.Exceeded', 'Too many requests. Try again later.', {
		headers: { 'Retry-After': String(Math.ceil(wait / SECOND)) },
	});
}
