/** The orders that the page knows, and which of them it lists. */
import { ask } from './api.js';
import { cell } from './cell.js';
import { Chunks } from './chunks.js';
import { serverNow } from './clock.js';

/** @typedef {import('./types.js').Order} Order */

const PAGE = 100;
/** A page that stays open for days lists no more; the oldest go. */
const MOST = 20_000;

/** @type {Map<string, Order>} */
const orders = new Map();
/** When each order was last heard of: an answer to an earlier request is older. @type {Map<string, number>} */
const heard = new Map();
/** What was left of the window when an order was paused, in ms, where the page knows. @type {Map<string, number>} */
const leftAtPause = new Map();
let hearings = 0;

let chunks = new Chunks();
/** the pieces of the list; a new array when there is another piece */
export const pieces = cell(chunks.list);
/** @type {Map<number, import('./cell.js').Cell<number>>} counts the changes of each piece */
const changes = new Map();

/**
 * What is listed, and how far.
 * @typedef {object} Listing
 * @property {string} status of the orders that are listed; empty: all
 * @property {string | null} only the id of the one order that is listed
 * @property {'loading' | 'more' | 'complete' | 'failed' | 'cut'} state `cut`: the oldest have gone
 * @property {string | null} cursor of the next page
 */
export const listing = cell(/** @type {Listing} */ ({ status: '', only: null, state: 'loading', cursor: null }));
/** the number of orders that are listed */
export const listed = cell(0);

/** @param {number} key of a piece */
export function changesOf(key) {
	const known = changes.get(key) ?? cell(0);
	changes.set(key, known);
	return known;
}

/** Those that are followed one by one. @type {Map<string, import('./cell.js').Cell<Order | undefined>>} */
const followed = new Map();

/** The order, as it is from now on. @param {string} id */
export function cellOf(id) {
	const known = followed.get(id) ?? cell(orders.get(id));
	followed.set(id, known);
	return known;
}

/** @param {string} id */
export const orderOf = (id) => orders.get(id);
/** @param {string} id */
export const leftAtPauseOf = (id) => leftAtPause.get(id);

/** To be taken before a request, for `put`. */
export const hearing = () => hearings;

/**
 * Takes in what was heard of an order.
 * @param {Order} order
 * @param {number} [since] of `hearing`, where it is the answer to a request: what was heard meanwhile is newer
 */
export function put(order, since = hearings) {
	const { id } = order;
	if ((heard.get(id) ?? -1) > since) return;
	hearings += 1;
	heard.set(id, hearings);
	const before = orders.get(id);
	if (before?.status === 'Pending' && order.status === 'OnHold') {
		leftAtPause.set(id, Math.max(0, Date.parse(order.pendingUntil) - serverNow()));
	} else if (order.status !== 'OnHold') leftAtPause.delete(id);
	orders.set(id, order);
	const follower = followed.get(id);
	if (follower !== undefined) follower.value = order;
	const chunk = chunks.find(id);
	if (chunk !== undefined) changesOf(chunk.key).value += 1;
	else if (belongs(order)) list(id);
	else if (follower === undefined) drop(id);
}

/** An order was paused at this moment, which the page has not seen. @param {string} id @param {number} moment */
export function isPausedSince(id, moment) {
	const order = orders.get(id);
	if (order?.status !== 'OnHold' || leftAtPause.has(id)) return;
	leftAtPause.set(id, Math.max(0, Date.parse(order.pendingUntil) - moment));
	put({ ...order }); // another object is drawn again
}

/** @param {string} id */
function drop(id) {
	orders.delete(id);
	heard.delete(id);
	leftAtPause.delete(id);
}

/** An order that has left the state which is listed stays where it is. @param {Order} order */
function belongs({ id, status }) {
	const { only, status: wanted, state } = listing.value;
	if (only !== null) return id === only;
	if (wanted !== '' && status !== wanted) return false;
	// What is older than the last row comes with the next page.
	return state === 'complete' || chunks.last === undefined || id > chunks.last;
}

/** @param {string} id */
function list(id) {
	const added = chunks.add(id);
	if (added === undefined) return;
	changesOf(added.chunk.key).value += 1;
	if (chunks.size > MOST) {
		const dropped = chunks.drop();
		changes.delete(dropped?.key ?? -1);
		for (const old of dropped?.ids ?? []) drop(old);
		listing.value = { ...listing.value, state: 'cut', cursor: null };
	}
	pieces.value = chunks.list;
	listed.value = chunks.size;
}

/**
 * Lists other orders, from their first page on.
 * @param {{ status?: string, only?: string | null }} wanted
 */
export async function show({ status = '', only = null }) {
	clear(status, only);
	await (only === null ? more() : find(only));
}

/** @param {string} status @param {string | null} only */
function clear(status, only) {
	chunks = new Chunks();
	changes.clear();
	pieces.value = chunks.list;
	listed.value = 0;
	listing.value = { status, only, state: 'loading', cursor: null };
}

/** Forgets all orders: they may be another person's. */
export function forget() {
	orders.clear();
	heard.clear();
	followed.clear();
	leftAtPause.clear();
	clear('', null);
}

/** @param {string} id */
async function find(id) {
	const asked = listing.value;
	try {
		put(await ask(`orders/${id}`), hearing());
		if (listing.value === asked) listing.value = { ...asked, state: 'complete' };
	} catch (error) {
		if (listing.value === asked) listing.value = { ...asked, state: 'failed' };
		throw error;
	}
}

/** Reads the next page of the list, if there is one. */
export async function more() {
	const asked = listing.value;
	if (asked.only !== null || asked.state === 'complete' || asked.state === 'cut') return;
	listing.value = { ...asked, state: 'loading' };
	const begun = listing.value;
	try {
		const { nextCursor } = await read(asked.status, asked.cursor);
		if (listing.value !== begun) return;
		listing.value = { ...begun, cursor: nextCursor, state: nextCursor === null ? 'complete' : 'more' };
	} catch (error) {
		if (listing.value === begun) listing.value = { ...begun, state: 'failed' };
		throw error;
	}
}

/**
 * Reads a page and takes it in.
 * @param {string} status
 * @param {string | null} cursor
 */
export async function read(status, cursor) {
	const query = new URLSearchParams({ limit: String(PAGE) });
	if (status !== '') query.set('status', status);
	if (cursor !== null) query.set('cursor', cursor);
	const since = hearing();
	const asked = listing.value;
	/** @type {{ data: Order[], nextCursor: string | null }} */
	const page = await ask(`orders?${query}`);
	const isListed = listing.value.status === asked.status && listing.value.only === asked.only;
	for (const order of page.data) {
		// Listed first: what is neither listed nor followed is not kept.
		if (isListed && asked.only === null) list(order.id);
		put(order, since);
	}
	return page;
}

/** The listed orders that have not ended. */
export const unfinished = () =>
	chunks.list.flatMap(({ ids }) =>
		ids.filter((id) => !['Cancelled', 'Shipped', 'PaymentFailed'].includes(orders.get(id)?.status ?? '')),
	);
