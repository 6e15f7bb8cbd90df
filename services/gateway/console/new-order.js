/** The form for a new order. It makes one order, however often the request has to be sent. */
import { useRef, useState } from 'preact/hooks';
import { insist, newKey, Problem } from './api.js';
import { nameOf, whyOf } from './commands.js';
import { amountOf, bodyOf } from './exact.js';
import { Field, faultsOf } from './field.js';
import { html } from './html.js';
import { say } from './messages.js';
import { hearing, put } from './orders.js';
import { settings } from './settings.js';

/** The cards of the sandbox, and what happens with each. */
const CARDS = [
	['card_ok', 'All is well'],
	['card_authentication', 'The bank asks the buyer'],
	['card_declined', 'Declined'],
	['card_capture_refused', 'Held, then refused'],
	['card_flaky', 'Times out, then answers'],
	['card_remembered_error', 'Errs once, then works'],
	['card_short_hold', 'Held for 20 s only'],
];

/** On a narrow page the orders come first. @param {HTMLDetailsElement | null} element */
function opened(element) {
	if (element !== null) element.open = window.matchMedia('(min-width: 901px)').matches;
}

/** @typedef {{ readonly body: string, readonly key: string }} Sent */

/** @param {FormData} data */
function read(data) {
	const text = (/** @type {string} */ name) => String(data.get(name) ?? '').trim();
	const optional = (/** @type {string} */ name) => text(name) || undefined;
	const amount = amountOf(text('amount'));
	const fields = {
		productName: text('productName'),
		currency: optional('currency')?.toUpperCase(),
		cancellationWindow: optional('cancellationWindow'),
		paymentMethod: optional('paymentMethod'),
	};
	return { amount, body: bodyOf(fields, amount) };
}

export function NewOrder() {
	const [faults, setFaults] = useState(/** @type {Readonly<Record<string, string>>} */ ({}));
	const [trouble, setTrouble] = useState('');
	const [isBusy, setBusy] = useState(false);
	// A request without an answer keeps its key: sent again, it is the same order.
	const open = useRef(/** @type {Sent | null} */ (null));

	/** @param {SubmitEvent} event */
	async function submit(event) {
		event.preventDefault();
		if (isBusy) return;
		const form = /** @type {HTMLFormElement} */ (event.currentTarget);
		const { amount, body } = read(new FormData(form));
		setTrouble('');
		setFaults(amount === undefined ? { amount: 'An amount is a number such as 19.90.' } : {});
		if (amount === undefined) return;
		if (open.current?.body !== body) open.current = { body, key: newKey() };
		setBusy(true);
		const since = hearing();
		try {
			const asked = { method: 'POST', ...open.current };
			const order = await insist('orders', asked, () => setTrouble('No answer yet. The same request is sent again.'));
			open.current = null;
			setTrouble('');
			put(order, since);
			say('status', `${nameOf(order)} is created.`);
		} catch (error) {
			if (error instanceof Problem && error.status < 500) open.current = null;
			setFaults(faultsOf(error));
			setTrouble(
				open.current === null
					? whyOf(error)
					: 'It is not known whether the order was created. Create it again: it will be one order.',
			);
		} finally {
			setBusy(false);
		}
	}

	return html`<section class="card new-order" aria-labelledby="new-order-title">
		<details ref=${opened}>
		<summary><h2 id="new-order-title">New order</h2></summary>
		<form onSubmit=${submit} novalidate>
			<${Field} label="Product" fault=${faults.productName}>
				${(/** @type {object} */ ties) =>
					html`<input ...${ties} name="productName" maxlength="255" defaultValue="A pound of tea" autocomplete="off" />`}
			<//>
			<div class="pair">
				<${Field} label="Amount" fault=${faults.amount}>
					${(/** @type {object} */ ties) =>
						html`<input ...${ties} name="amount" inputmode="decimal" defaultValue="19.90" autocomplete="off" />`}
				<//>
				<${Field} label="Currency" fault=${faults.currency}>
					${(/** @type {object} */ ties) =>
						html`<input
							...${ties}
							name="currency"
							maxlength="3"
							defaultValue=${settings.currency}
							autocapitalize="characters"
							autocomplete="off"
							spellcheck=${false}
						/>`}
				<//>
			</div>
			<${Card} fault=${faults.paymentMethod} />
			<${Field}
				label="Window"
				fault=${faults.cancellationWindow}
				hint=${`How long the buyer may cancel, such as 90s, 10m or 2h. Empty: ${settings.window}.`}
			>
				${(/** @type {object} */ ties) =>
					html`<input
						...${ties}
						name="cancellationWindow"
						placeholder=${settings.window}
						autocomplete="off"
						spellcheck=${false}
					/>`}
			<//>
			<div role="alert">${trouble !== '' && html`<p class="trouble">${trouble}</p>`}</div>
			<button type="submit" class="primary wide" aria-disabled=${isBusy}>Create order</button>
		</form>
		</details>
	</section>`;
}

/** @param {{ fault: string | undefined }} props */
function Card({ fault }) {
	if (settings.provider !== 'sandbox') {
		return html`<${Field} label="Payment method" fault=${fault} hint="The provider's own name for the buyer's card.">
			${(/** @type {object} */ ties) =>
				html`<input ...${ties} name="paymentMethod" placeholder="pm_…" autocomplete="off" spellcheck=${false} />`}
		<//>`;
	}
	return html`<${Field} label="Card of the sandbox" fault=${fault}>
		${(/** @type {object} */ ties) => html`<select ...${ties} name="paymentMethod">
			${CARDS.map(([card, does]) => html`<option value=${card}>${card}: ${does}</option>`)}
		</select>`}
	<//>`;
}
