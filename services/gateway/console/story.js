/** An order's history, as the page reads it. */
import { ask } from './api.js';

/** @typedef {import('./types.js').History} Story */

/** All pages of it; throws. @param {string} id @returns {Promise<Story>} */
export async function readStory(id) {
	/** @type {Story} */
	let story = await ask(`orders/${id}/history`);
	while (story.nextCursor !== null) {
		/** @type {Story} */
		const next = await ask(`orders/${id}/history?cursor=${encodeURIComponent(story.nextCursor)}`);
		story = { ...next, data: [...story.data, ...next.data] };
	}
	return story;
}
