/**
 * Keeps the orders true: by the stream where there is one, else by asking every two seconds. What the page knows of the
 * connection is in `connection`.
 */
import { ask, NoAnswer, Problem, problemOf, send } from './api.js';
import { pause, pauseAfter } from './backoff.js';
import { cell } from './cell.js';
import { setClock } from './clock.js';
import { EventParser } from './event-stream.js';
import { parseExact } from './exact.js';
import { hearing, listing, put, read, unfinished } from './orders.js';
import { needsToken, session } from './session.js';

const POLL = 2_000;
/** The server says something every 15 s. */
const SILENCE = 40_000;
/** The first word of a stream comes at once. */
const ANSWER = 10_000;
/** So long there may be no stream until the page says so. */
const PATIENCE = 1_500;
/** Where there is no stream, or too many are open. */
const NEXT_STREAM = 30_000;
/** So many unfinished orders that are not on the first page are asked for at each poll. */
const ASKED_ONE_BY_ONE = 5;

/** @typedef {'connecting' | 'live' | 'polling' | 'lost'} Connection */
export const connection = cell(/** @type {Connection} */ ('connecting'));
/** how long until the next attempt, in ms, while it is lost */
export const nextAttempt = cell(0);

/** There is no stream for now, which is not the same as no connection. */
class NoStream extends Error {
	/** @param {number} next in ms, until it is worth while to ask again */
	constructor(next) {
		super('There is no stream.');
		this.next = next;
	}
}

/** @type {AbortController} */
let stopping = new AbortController();
/** Ends the pause before the next attempt. */
let waking = new AbortController();
/** the last id of the stream; empty before the first one, and after it was too old */
let lastId = '';

/** Begins, or begins anew for another caller. */
export function connect() {
	stopping.abort();
	stopping = new AbortController();
	lastId = '';
	connection.value = 'connecting';
	if (!needsToken()) void keep(stopping.signal);
}

for (const [target, name] of /** @type {const} */ ([
	[window, 'online'],
	[document, 'visibilitychange'],
])) {
	target.addEventListener(name, () => waking.abort());
}

/** @param {AbortSignal} signal */
async function keep(signal) {
	for (let failures = 0; !signal.aborted; ) {
		try {
			await follow(signal, () => {
				failures = 0;
			});
			failures += 1; // it was live, and has ended
		} catch (error) {
			if (signal.aborted) return;
			if (error instanceof NoStream && (await poll(error.next, signal))) {
				failures = 0;
				continue;
			}
			failures += 1;
		}
		if (signal.aborted) return;
		const wait = pauseAfter(failures);
		// A stream that ends is followed by the next at once, as a rule; only if there is none, that is worth a word.
		if (failures > 1 || connection.value !== 'live') lose(wait);
		waking = new AbortController();
		await pause(wait, AbortSignal.any([signal, waking.signal]));
	}
}

/** @param {number} wait */
function lose(wait) {
	nextAttempt.value = wait;
	connection.value = 'lost';
}

/**
 * Follows the stream until it ends; throws where there is none.
 * @param {AbortSignal} signal
 * @param {() => void} onLive
 */
async function follow(signal, onLive) {
	const ending = new AbortController();
	const within = (/** @type {number} */ ms) => setTimeout(() => ending.abort(), ms);
	let silence = within(ANSWER);
	const word = setTimeout(() => connection.value === 'live' && lose(0), PATIENCE);
	try {
		const response = await send('orders/stream', {
			headers: { Accept: 'text/event-stream', ...(lastId === '' ? {} : { 'Last-Event-ID': lastId }) },
			signal: AbortSignal.any([signal, ending.signal]),
		});
		if (!response.ok || response.body === null) return await refused(response);
		// Between the last event that was seen and the first one of a new stream anything may have happened.
		let isComplete = lastId !== '';
		const parser = new EventParser(({ type, data, id }) => {
			if (type === 'now') setClock(timeOf(JSON.parse(data).now));
			else if (type === 'order') put(parseExact(data));
			if (id !== '') lastId = id;
		});
		const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
		for (;;) {
			const { value, done } = await reader.read();
			if (done) return;
			clearTimeout(silence);
			silence = within(SILENCE);
			parser.push(value);
			if (!isComplete) await refresh();
			isComplete = true;
			clearTimeout(word);
			onLive();
			connection.value = 'live';
		}
	} finally {
		clearTimeout(silence);
		clearTimeout(word);
		ending.abort();
	}
}

/** RFC 3339, or ms since 1970. @param {string | number} now */
const timeOf = (now) => (typeof now === 'number' ? now : Date.parse(now));

/** @param {Response} response @returns {Promise<never>} */
async function refused(response) {
	const problem = await problemOf(response);
	if (problem.status === 410) lastId = '';
	// Too many streams, too many requests, or a gateway that has none: the list may answer all the same.
	else if (problem.status === 503 || (problem.status < 500 && problem.status !== 401)) {
		throw new NoStream(Math.max(NEXT_STREAM, problem.retryAfter));
	}
	throw problem;
}

/** The list's first page, and orders beyond it that have not ended. */
async function refresh() {
	const { status, only } = listing.value;
	if (only !== null) return again([only]);
	const { data, nextCursor } = await read(status, null);
	if (listing.value.state === 'failed' && listing.value.cursor === null) {
		listing.value = { ...listing.value, cursor: nextCursor, state: nextCursor === null ? 'complete' : 'more' };
	}
	const seen = new Set(data.map(({ id }) => id));
	const others = unfinished().filter((id) => !seen.has(id));
	const from = Math.floor(Math.random() * Math.max(1, others.length - ASKED_ONE_BY_ONE + 1));
	await again(others.slice(from, from + ASKED_ONE_BY_ONE));
}

/** @param {readonly string[]} ids */
async function again(ids) {
	for (const id of ids) {
		const since = hearing();
		put(await ask(`orders/${id}`), since);
	}
}

/**
 * Asks again and again for so many ms. True if all was answered.
 * @param {number} duration
 * @param {AbortSignal} signal
 */
async function poll(duration, signal) {
	const begin = performance.now();
	while (!signal.aborted && performance.now() - begin < duration) {
		if (document.visibilityState === 'visible') {
			try {
				await refresh();
			} catch (error) {
				if (error instanceof NoAnswer || (error instanceof Problem && error.status >= 500)) return false;
				if (session.value.token === null && needsToken()) return false;
			}
			if (!signal.aborted) connection.value = 'polling';
		}
		await pause(POLL, signal);
	}
	return true;
}
