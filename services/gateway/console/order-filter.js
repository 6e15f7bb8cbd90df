/** Which orders are listed: all, those in one state, or a single one by its number. */
import { useCell } from './cell.js';
import { whyOf } from './commands.js';
import { html } from './html.js';
import { say } from './messages.js';
import { idOf } from './order-number.js';
import { STATUS } from './order-words.js';
import { listing, show } from './orders.js';

/** @param {{ status?: string, only?: string }} wanted */
const list = (wanted) => show(wanted).catch((error) => say('alert', whyOf(error)));

/** @param {SubmitEvent} event */
function find(event) {
	event.preventDefault();
	const form = /** @type {HTMLFormElement} */ (event.currentTarget);
	const typed = String(new FormData(form).get('number') ?? '').trim();
	if (typed === '') return list({});
	const id = idOf(typed);
	if (id === undefined)
		return say('alert', 'This is not an order number. One looks like ORD-01M82EMYMZE0080005BMJ3R7TD.');
	return list({ only: id });
}

export function OrderFilter() {
	const { status, only } = useCell(listing);
	return html`<div class="filter">
		<form role="search" onSubmit=${find}>
			<input name="number" type="search" aria-label="Order number" placeholder="Order number" autocomplete="off" spellcheck=${false} />
			<button type="submit">Find</button>
		</form>
		<label>
			<span class="visually-hidden">State</span>
			<select
				value=${only === null ? status : 'one'}
				onChange=${(/** @type {Event} */ { currentTarget }) =>
					list({ status: /** @type {HTMLSelectElement} */ (currentTarget).value })}
			>
				${only !== null && html`<option value="one">One order</option>`}
				<option value="">All orders</option>
				${Object.entries(STATUS).map(([value, label]) => html`<option value=${value}>${label}</option>`)}
			</select>
		</label>
	</div>`;
}
