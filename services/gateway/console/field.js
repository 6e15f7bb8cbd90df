/** A field of a form with its label, a hint, and what is wrong with it. */
import { useId } from 'preact/hooks';
import { html } from './html.js';

/**
 * @param {{ label: string, hint?: unknown, fault?: string | undefined, class?: string, children: (props: Record<string, unknown>) => unknown }} props
 * `children` draws the control with the properties that tie it to the label
 */
export function Field({ label, hint, fault, class: name = '', children }) {
	const id = useId();
	const described = fault ?? hint;
	const ties = {
		id,
		...(described === undefined ? {} : { 'aria-describedby': `${id}-more` }),
		...(fault === undefined ? {} : { 'aria-invalid': 'true' }),
	};
	return html`<div class="field ${name} ${fault === undefined ? '' : 'wrong'}">
		<label for=${id}>${label}</label>
		${children(ties)}
		${described !== undefined && html`<p class="hint" id=${`${id}-more`}>${described}</p>`}
	</div>`;
}

/**
 * What is wrong with each field of a body.
 * @param {unknown} error
 * @returns {Readonly<Record<string, string>>}
 */
export function faultsOf(error) {
	const errors = /** @type {{ errors?: import('./api.js').Problem['errors'] }} */ (error)?.errors ?? [];
	return Object.fromEntries(errors.map(({ pointer = '', detail }) => [pointer.replace('#/', ''), detail]));
}
