/** One attempt to tell an endpoint of an event. */
import { finished } from 'node:stream/promises';
import { Agent, type Dispatcher, errors, request } from 'undici';
import { type Duration, SECOND } from '../../domain/time.ts';
import { ANSWER_TIME, type Tried } from '../../domain/webhook.ts';
import { crashPoint } from '../../mixins/runtime/index.ts';
import { anywhere, PrivateAddress, publicOnly } from './resolving.ts';
import { isPrivateLiteral } from './target.ts';

/** So much of an answer is read, and for so long, only to use the connection again; nobody looks at it. */
const MOST_READ = 16 * 1024;
const READ_FOR: Duration = SECOND;
const IDLE: Duration = 5 * SECOND;

export interface Post {
	readonly url: string;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
}

/** Sends to endpoints, over connections of its own. */
export class Poster {
	readonly #agent: Agent;
	readonly #allowPrivate: boolean;

	/** Undici's own agent: it follows no redirect and knows no proxy, whatever the environment says. */
	constructor(allowPrivate: boolean) {
		this.#allowPrivate = allowPrivate;
		this.#agent = new Agent({
			connect: { lookup: allowPrivate ? anywhere : publicOnly, timeout: ANSWER_TIME },
			keepAliveTimeout: IDLE,
			keepAliveMaxTimeout: IDLE,
			headersTimeout: ANSWER_TIME,
			bodyTimeout: READ_FOR,
			pipelining: 1,
			allowH2: false,
		});
	}

	/** Never rejects. `stopping` ends it without an outcome. */
	async post({ url, headers, body }: Post, stopping: AbortSignal): Promise<Tried> {
		const late = AbortSignal.timeout(ANSWER_TIME);
		try {
			const target = new URL(url);
			if (!this.#allowPrivate && isPrivateLiteral(target)) throw new PrivateAddress('a private address');
			crashPoint('before:webhook.call');
			const answer = await request(target, {
				method: 'POST',
				headers,
				body,
				dispatcher: this.#agent,
				signal: AbortSignal.any([late, stopping]),
			});
			crashPoint('after:webhook.call');
			await leave(answer.body);
			return triedOf(answer.statusCode);
		} catch (error) {
			if (stopping.aborted) return { kind: 'cut off', responseStatus: null, error: 'the process stopped' };
			const reason = late.aborted ? `no answer within ${ANSWER_TIME / SECOND} s` : reasonOf(error);
			return { kind: 'unreachable', responseStatus: null, error: reason };
		}
	}

	/** Ends all connections. */
	close(): Promise<void> {
		return this.#agent.destroy();
	}
}

/** Reads a small answer to its end, and breaks off a large or a slow one. */
async function leave(body: Dispatcher.ResponseData['body']): Promise<void> {
	const timer = setTimeout(() => body.destroy(), READ_FOR);
	let size = 0;
	body.on('data', (chunk: Buffer) => {
		size += chunk.length;
		if (size > MOST_READ) body.destroy();
	});
	await finished(body).catch(() => {});
	clearTimeout(timer);
}

/** The status decides; no redirect is followed. */
export function triedOf(status: number): Tried {
	if (status >= 200 && status < 300) return { kind: 'delivered', responseStatus: status, error: null };
	const why = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
	return { kind: 'refused', responseStatus: status, error: `it answered ${status}${why}` };
}

const REASONS: Readonly<Record<string, string>> = {
	PRIVATE_ADDRESS: 'its address is a private one, which is not called',
	ENOTFOUND: 'its host name is not known',
	EAI_AGAIN: 'its host name could not be looked up',
	ETIMEOUT: 'its host name could not be looked up in time',
	ECONNREFUSED: 'it refuses the connection',
	ECONNRESET: 'the connection broke off',
	EPIPE: 'the connection broke off',
	EHOSTUNREACH: 'there is no way to its address',
	ENETUNREACH: 'there is no way to its address',
	ETIMEDOUT: 'no connection in time',
	UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
	UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
	UND_ERR_SOCKET: 'the connection broke off',
	UND_ERR_HEADERS_OVERFLOW: 'the header of its answer is too large',
};

/** In a few words without any address: the text of a system error may hold those of a network behind a name. */
function reasonOf(error: unknown): string {
	if (error instanceof errors.HTTPParserError) return 'its answer is not HTTP';
	const code = codeOf(error);
	if (code === undefined) return 'it could not be reached';
	const isOfTls = /^(?:CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(code);
	return REASONS[code] ?? (isOfTls ? `its certificate is not accepted (${code})` : `it could not be reached (${code})`);
}

function codeOf(error: unknown): string | undefined {
	if (typeof error !== 'object' || error === null) return undefined;
	if ('code' in error && typeof error.code === 'string' && /^[A-Z0-9_]{2,60}$/.test(error.code)) return error.code;
	if (error instanceof AggregateError) return error.errors.map(codeOf).find((code) => code !== undefined);
	return 'cause' in error ? codeOf(error.cause) : undefined;
}
