/** Dialogs that ask for an amount: a lower one, and what is given back. */
import { useRef, useState } from 'preact/hooks';
import { newKey } from './api.js';
import { lower, refund, whyOf } from './commands.js';
import { Dialog, dialog } from './dialog.js';
import { amountOf, bodyOf } from './exact.js';
import { Field } from './field.js';
import { fromMinor, money } from './format.js';
import { html } from './html.js';

/** @typedef {import('./types.js').Order} Order */

/**
 * What a form of a dialog does: once at a time, and closed when it is done.
 * @param {(data: FormData) => Promise<void>} act throws what the form shows
 */
export function useForm(act) {
	const [trouble, setTrouble] = useState(/** @type {string | undefined} */ (undefined));
	const isBusy = useRef(false);
	/** @param {SubmitEvent} event */
	async function onSubmit(event) {
		event.preventDefault();
		if (isBusy.current) return;
		isBusy.current = true;
		setTrouble(undefined);
		try {
			await act(new FormData(/** @type {HTMLFormElement} */ (event.target)));
			dialog.value = null;
		} catch (error) {
			setTrouble(whyOf(error));
		} finally {
			isBusy.current = false;
		}
	}
	return { trouble, onSubmit };
}

/** @param {FormData} data */
function typedAmount(data) {
	const amount = amountOf(String(data.get('amount') ?? ''));
	if (amount === undefined) throw new Error('An amount is a number such as 12.50.');
	return amount;
}

/** @param {{ trouble: string | undefined, label: string, value: string }} props */
const Amount = ({ trouble, label, value }) => html`
	<${Field} label=${label}>
		${(/** @type {object} */ ties) =>
			html`<input ...${ties} name="amount" inputmode="decimal" defaultValue=${value} autocomplete="off" autofocus />`}
	<//>
	<div role="alert">${trouble !== undefined && html`<p class="trouble">${trouble}</p>`}</div>
`;

/** @param {{ order: Order }} props */
export function LowerAmount({ order }) {
	const form = useForm((data) => lower(order, typedAmount(data)));
	return html`<${Dialog} title="Lower the amount">
		<p>
			${order.productName} costs ${money(order.amount, order.currency)} now. The lower amount is what will be taken; it cannot
			be raised again.
		</p>
		<form onSubmit=${form.onSubmit} novalidate>
			<${Amount} trouble=${form.trouble} label=${`New amount in ${order.currency}`} value=${order.amount} />
			<button type="submit" class="primary wide">Lower amount</button>
		</form>
	<//>`;
}

/** What is left to be given back, in the digits of the amount. @param {Order} order */
function leftOf({ amount, refundedAmount }) {
	const decimals = Math.max(...[amount, refundedAmount].map((text) => text.split('.')[1]?.length ?? 0));
	const units = (/** @type {string} */ text) => {
		const [whole = '0', part = ''] = text.split('.');
		return BigInt(whole + part.padEnd(decimals, '0'));
	};
	return fromMinor(String(units(amount) - units(refundedAmount)), decimals).replace(/\.0+$/, '');
}

/** @param {{ order: Order }} props */
export function Refund({ order }) {
	// One key for as long as the dialog asks for the same: sent again, it is the same refund.
	const sent = useRef({ body: '', key: '' });
	const form = useForm(async (data) => {
		const reason = String(data.get('reason') ?? '').trim() || undefined;
		const body = bodyOf({ reason }, typedAmount(data));
		if (sent.current.body !== body) sent.current = { body, key: newKey() };
		await refund(order, body, sent.current.key);
	});
	const rest = leftOf(order);
	return html`<${Dialog} title="Give money back">
		<p>${money(rest, order.currency)} of ${order.productName} can be given back. It goes to the card that paid.</p>
		<form onSubmit=${form.onSubmit} novalidate>
			<${Amount} trouble=${form.trouble} label=${`Amount in ${order.currency}`} value=${rest} />
			<${Field} label="Reason" hint="For the order's history.">
				${(/** @type {object} */ ties) => html`<input ...${ties} name="reason" maxlength="500" autocomplete="off" />`}
			<//>
			<button type="submit" class="primary wide">Refund</button>
		</form>
	<//>`;
}
