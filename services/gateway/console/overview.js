/** What operators see beside the orders; asked for every few seconds while somebody looks. */
import { ask, Problem } from './api.js';
import { cell } from './cell.js';

/** @typedef {import('./types.js').Overview} Overview */
/** @typedef {import('./types.js').Endpoint & { failed: readonly import('./types.js').Delivery[] }} Watched */

const EVERY = 5_000;
const ENDPOINTS_EVERY = 30_000;
/** So many points are in the pictures: five minutes. */
const KEPT = 60;

export const overview = cell(/** @type {Overview | null} */ (null));
/** what waited, at the last looks */
export const past = cell(/** @type {readonly { messages: number, late: number }[]} */ ([]));
/** endpoints that are disabled or have failed deliveries; undefined where this system has none */
export const endpoints = cell(/** @type {readonly Watched[] | undefined} */ (undefined));

/** Looks until the function that comes back is called. */
export function watchOverview() {
	overview.value = null;
	past.value = [];
	endpoints.value = undefined;
	const looks = [every(EVERY, lookAround), every(ENDPOINTS_EVERY, lookAtEndpoints)];
	return () => {
		for (const stop of looks) stop();
	};
}

/**
 * Does it at once and then again and again; not while nobody sees the page, and not once it says so.
 * @param {number} ms
 * @param {() => Promise<boolean>} look true: no more
 */
function every(ms, look) {
	let isOver = false;
	let timer = 0;
	const next = async () => {
		if (document.visibilityState === 'visible') isOver = (await look().catch(() => false)) || isOver;
		if (!isOver) timer = window.setTimeout(next, ms);
	};
	void next();
	return () => {
		isOver = true;
		clearTimeout(timer);
	};
}

export async function lookAround() {
	try {
		/** @type {Overview} */
		const seen = await ask('console/api/overview');
		const { messages, overdue, forRelease, forCapture } = seen.waiting;
		overview.value = seen;
		past.value = [...past.value, { messages, late: overdue + forRelease + forCapture }].slice(-KEPT);
		return false;
	} catch (error) {
		return isRefusal(error);
	}
}

export async function lookAtEndpoints() {
	try {
		/** @type {{ data: readonly import('./types.js').Endpoint[] }} */
		const { data } = await ask('webhook-endpoints?limit=100');
		const watched = data.map(async (endpoint) => {
			/** @type {{ data: Watched['failed'] }} */
			const deliveries = await ask(`webhook-endpoints/${endpoint.id}/deliveries?status=failed`);
			return { ...endpoint, failed: deliveries.data };
		});
		const all = await Promise.all(watched);
		endpoints.value = all.filter(({ status, failed }) => status === 'disabled' || failed.length > 0);
		return false;
	} catch (error) {
		return isRefusal(error);
	}
}

/** There is no such thing here, or not for this caller. @param {unknown} error */
const isRefusal = (error) => error instanceof Problem && error.status < 500 && error.status !== 429;
