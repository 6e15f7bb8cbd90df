/** What the page tells: done (`status`), or not done (`alert`). */
import { cell, useCell } from './cell.js';
import { html } from './html.js';

const SHOWN_FOR = 8_000;
const MOST = 4;

/** @typedef {{ readonly id: number, readonly kind: 'status' | 'alert', readonly text: string }} Message */
const messages = cell(/** @type {readonly Message[]} */ ([]));
let count = 0;

/** @param {number} id */
const dismiss = (id) => {
	messages.value = messages.value.filter((message) => message.id !== id);
};

/** @param {Message['kind']} kind @param {string} text */
export function say(kind, text) {
	const id = count++;
	messages.value = [...messages.value.filter((message) => message.text !== text), { id, kind, text }].slice(-MOST);
	// Somebody has to have read why something was not done.
	if (kind === 'status') setTimeout(() => dismiss(id), SHOWN_FOR);
}

/** The regions stand there before anything is said, so that screen readers hear of it. */
export function Messages() {
	const all = useCell(messages);
	return html`<div class="messages">
		${['status', 'alert'].map(
			(kind) => html`<div role=${kind} key=${kind} aria-atomic="false">
				${all
					.filter((message) => message.kind === kind)
					.map(
						({ id, text }) => html`<p class="message ${kind}" key=${id}>
							<span>${text}</span>
							<button type="button" class="plain" aria-label="Dismiss" onClick=${() => dismiss(id)}>×</button>
						</p>`,
					)}
			</div>`,
		)}
	</div>`;
}
