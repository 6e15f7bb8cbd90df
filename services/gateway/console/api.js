/** Requests to the API beside the page, with the token where there is one. */
import { pause, pauseAfter } from './backoff.js';
import { hintClock } from './clock.js';
import { parseExact } from './exact.js';
import { session, signOut } from './session.js';
import { ROOT } from './settings.js';

const TIMEOUT = 20_000;
/** For so long a request is sent again whose answer did not come. */
const PATIENCE = 60_000;

/** What the API has answered instead of what was asked for. */
export class Problem extends Error {
	/** @param {number} status @param {Record<string, any>} body @param {number} retryAfter in ms */
	constructor(status, body, retryAfter) {
		super(typeof body.detail === 'string' ? body.detail : `The answer was ${status}.`);
		this.status = status;
		this.code = typeof body.code === 'string' ? body.code : '';
		this.retryAfter = retryAfter;
		/** @type {readonly { readonly pointer?: string, readonly parameter?: string, readonly detail: string }[]} */
		this.errors = Array.isArray(body.errors) ? body.errors : [];
	}
}

/** There was no answer: nobody knows if the request arrived. */
export class NoAnswer extends Error {}

/**
 * @typedef {object} Asked
 * @property {string} [method]
 * @property {string} [body] JSON
 * @property {string} [key] the Idempotency-Key
 * @property {Readonly<Record<string, string>>} [headers]
 * @property {AbortSignal} [signal]
 */

/**
 * The response, whatever its status; throws `NoAnswer`. With 401 the token is asked for again.
 * @param {string} path from the root of the API, without a slash in front
 * @param {Asked} asked
 */
export async function send(path, { method = 'GET', body, key, headers, signal } = {}) {
	const { token } = session.value;
	/** @type {Response} */
	let response;
	try {
		response = await fetch(ROOT + path, {
			method,
			credentials: 'omit',
			cache: 'no-store',
			signal: signal ?? AbortSignal.timeout(TIMEOUT),
			...(body === undefined ? {} : { body }),
			headers: {
				...headers,
				...(token === null ? {} : { Authorization: `Bearer ${token}` }),
				...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
				...(key === undefined ? {} : { 'Idempotency-Key': key }),
			},
		});
	} catch {
		throw new NoAnswer('There was no answer.');
	}
	if (response.status === 401 && token === session.value.token) {
		signOut((await problemOf(response.clone())).message);
	}
	return response;
}

/** @param {Response} response */
export async function problemOf(response) {
	const retryAfter = Number(response.headers.get('Retry-After') ?? 0) * 1_000;
	const body = await response.json().catch(() => ({}));
	return new Problem(response.status, body, retryAfter);
}

/**
 * What was asked for; throws `Problem` or `NoAnswer`.
 * @param {string} path
 * @param {Asked} [asked]
 */
export async function ask(path, asked) {
	const response = await send(path, asked);
	if (!response.ok) throw await problemOf(response);
	hintClock(response.headers.get('Date'));
	const text = await response.text().catch(() => {
		throw new NoAnswer('The answer was cut off.');
	});
	return text === '' ? undefined : parseExact(text);
}

/** A further request with the same key may have another answer. @param {unknown} error */
const mayPass = (error) =>
	error instanceof NoAnswer ||
	(error instanceof Problem &&
		(error.status >= 500 || error.status === 429 || error.code === 'Idempotency.InProgress'));

/**
 * The same, sent again until there is an answer: only for what may be repeated. `onAgain` is told before each repetition.
 * @param {string} path
 * @param {Asked} asked
 * @param {(attempt: number) => void} [onAgain]
 */
export async function insist(path, asked, onAgain) {
	const begin = performance.now();
	for (let attempt = 1; ; attempt += 1) {
		try {
			return await ask(path, asked);
		} catch (error) {
			if (!mayPass(error) || performance.now() - begin > PATIENCE) throw error;
			onAgain?.(attempt);
			await pause(pauseAfter(attempt, error instanceof Problem ? error.retryAfter : 0));
		}
	}
}

/** `crypto.randomUUID` is there in secure contexts alone, and a shop's own network may have none. */
export const newKey = () =>
	Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-');
