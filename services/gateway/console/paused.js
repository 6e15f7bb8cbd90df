/** What was left of the window of an order that was paused before the page heard of it: its history says when that was. */
import { useEffect } from 'preact/hooks';
import { isPausedSince, leftAtPauseOf } from './orders.js';
import { readStory } from './story.js';

/** @typedef {import('./types.js').Order} Order */

/** One history is read after the other: a page full of paused orders is no burst. */
let reading = Promise.resolve();

/** @param {Order} order @param {() => boolean} isInSight */
function learn({ id }, isInSight) {
	reading = reading.then(async () => {
		if (!isInSight() || leftAtPauseOf(id) !== undefined) return;
		try {
			const { data } = await readStory(id);
			const held = data.findLast(({ type }) => type === 'OrderHeld');
			if (held !== undefined) isPausedSince(id, Date.parse(held.occurredAt));
		} catch {
			// The row says what it can without.
		}
	});
}

/** What was left, in ms, as soon as it is known; undefined before, and for an order that is not paused. @param {Order} order */
export function useLeftAtPause(order) {
	const isPaused = order.status === 'OnHold';
	const known = isPaused ? leftAtPauseOf(order.id) : undefined;
	const isAsked = isPaused && known === undefined;
	useEffect(() => {
		if (!isAsked) return undefined;
		let isInSight = true;
		learn(order, () => isInSight);
		return () => {
			isInSight = false;
		};
	}, [order.id, isAsked]);
	return known;
}
