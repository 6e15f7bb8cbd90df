import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

type Argument = string | number;

/** A Lua script, sent by its hash once the server knows it. Redis runs it as one step, all of it or nothing. */
export class Script {
	readonly #source: string;
	readonly #sha: string;

	constructor(source: string) {
		this.#source = source;
		this.#sha = createHash('sha1').update(source).digest('hex');
	}

	/** `keys` are all the keys that it touches: a cluster insists on it. */
	async run(client: Redis, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
		try {
			return await client.evalsha(this.#sha, keys.length, ...keys, ...args);
		} catch (error) {
			if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
			return client.eval(this.#source, keys.length, ...keys, ...args);
		}
	}
}
