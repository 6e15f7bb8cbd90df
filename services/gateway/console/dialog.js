/** The one dialog that is open, and its frame. The browser keeps the focus inside, and gives it back afterwards. */
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { cell } from './cell.js';
import { html } from './html.js';

/**
 * @typedef {{ readonly kind: 'lower' | 'refund' | 'history', readonly orderId: string }
 *   | { readonly kind: 'resolve', readonly payment: import('./types.js').Undecided }} Open
 */
export const dialog = cell(/** @type {Open | null} */ (null));

/** @param {{ title: string, class?: string, children?: unknown }} props */
export function Dialog({ title, class: name = '', children }) {
	const place = useRef(/** @type {HTMLDialogElement | null} */ (null));
	const id = useId();
	useLayoutEffect(() => {
		const element = place.current;
		element?.showModal();
		return () => element?.close();
	}, []);
	const close = () => place.current?.close();
	return html`<dialog
		ref=${place}
		class=${name}
		aria-labelledby=${id}
		onClose=${() => {
			dialog.value = null;
		}}
		onClick=${(/** @type {MouseEvent} */ { target }) => target === place.current && close()}
	>
		<div class="inside">
			<header class="title">
				<h2 id=${id}>${title}</h2>
				<button type="button" class="plain" aria-label="Close" onClick=${close}>×</button>
			</header>
			${children}
		</div>
	</dialog>`;
}
