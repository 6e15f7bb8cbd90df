/** What buyers and the shop can do with an order. */
import { ask, insist, Problem } from './api.js';
import { say } from './messages.js';
import { hearing, put } from './orders.js';

/** @typedef {import('./types.js').Order} Order */

/** What is under way; a second click does nothing. @type {Set<string>} */
const underWay = new Set();

const DONE = {
	cancel: 'is cancelled: its payment will not be taken.',
	hold: 'is paused.',
	resume: 'goes on.',
};

/** @param {Order} order */
export const nameOf = ({ productName, orderNumber }) => `${productName} (${orderNumber})`;

const again = () => say('status', 'No answer yet. The request is sent again.');

/**
 * May be repeated as it is, so it is sent until there is an answer.
 * @param {Order} order
 * @param {keyof typeof DONE} action
 */
export async function command(order, action) {
	const { id } = order;
	if (underWay.has(id)) return;
	underWay.add(id);
	const since = hearing();
	try {
		put(await insist(`orders/${id}/${action}`, { method: 'POST' }, again), since);
		say('status', `${nameOf(order)} ${DONE[action]}`);
	} catch (error) {
		say('alert', `${nameOf(order)}: ${whyOf(error)}`);
		await look(id);
	} finally {
		underWay.delete(id);
	}
}

/**
 * Throws what the dialog shows.
 * @param {Order} order
 * @param {string} amount
 */
export async function lower(order, amount) {
	const since = hearing();
	const asked = { method: 'PATCH', body: `{"amount":${amount}}` };
	put(await insist(`orders/${order.id}`, asked, again), since);
	say('status', `The amount of ${nameOf(order)} is lower now.`);
}

/**
 * Throws what the dialog shows.
 * @param {Order} order
 * @param {string} body
 * @param {string} key
 */
export async function refund(order, body, key) {
	await insist(`orders/${order.id}/refunds`, { method: 'POST', body, key }, again);
	say('status', `The refund of ${nameOf(order)} is under way.`);
	await look(order.id);
}

/** The order as it is; without it the page would show it as it was. @param {string} id */
export async function look(id) {
	const since = hearing();
	try {
		put(await ask(`orders/${id}`), since);
	} catch {
		// the stream or the next poll tells
	}
}

/** For people: each invalid field, or the problem's own words. @param {unknown} error */
export function whyOf(error) {
	if (error instanceof Problem && error.errors.length > 0) return error.errors.map(({ detail }) => detail).join(' ');
	return error instanceof Error ? error.message : String(error);
}
