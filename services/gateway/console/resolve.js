/** A person's decision about a payment whose outcome is not known. */

import { useForm } from './amount-dialogs.js';
import { ask } from './api.js';
import { Dialog } from './dialog.js';
import { Field } from './field.js';
import { html } from './html.js';
import { say } from './messages.js';
import { hearing, put } from './orders.js';
import { lookAround } from './overview.js';

/** The provider is asked before the decision counts, which may take a minute. */
const TIMEOUT = 90_000;

/** What each operation can have become, as the system lets a person say it. */
const OUTCOMES = {
	authorize: [
		['authorized', 'authorized: the money is held'],
		['declined', 'declined: nothing is held'],
		['voided', 'voided: it was held, and is released'],
	],
	capture: [
		['captured', 'captured: the money was taken'],
		['failed', 'failed: it was not taken, and cannot be'],
		['voided', 'voided: it is no longer held'],
	],
	void: [['voided', 'voided: the money is released']],
	refund: [
		['succeeded', 'succeeded: the money was given back'],
		['failed', 'failed: it was not given back'],
	],
};

/** @param {{ payment: import('./types.js').Undecided }} props */
export function Resolve({ payment: { orderId, orderNumber, operation, refundId } }) {
	const form = useForm(async (data) => {
		const text = (/** @type {string} */ name) => String(data.get(name) ?? '').trim();
		const reference = text('reference');
		const body = JSON.stringify({
			...{ orderId, outcome: text('outcome'), note: text('note') },
			...(reference === '' ? {} : { reference }),
			...(refundId === null ? {} : { refundId }),
		});
		const since = hearing();
		put(await ask('console/api/resolve', { method: 'POST', body, signal: AbortSignal.timeout(TIMEOUT) }), since);
		say('status', `The payment of ${orderNumber} is decided.`);
		await lookAround();
	});
	return html`<${Dialog} title="Decide a payment">
		<p class="number">${orderNumber}</p>
		<p>
			The outcome of <strong>${operation}</strong> is not known. Look at the provider first. Your decision stands in the order's
			history, with your name.
		</p>
		<form onSubmit=${form.onSubmit} novalidate>
			<${Field} label="What happened">
				${(/** @type {object} */ ties) => html`<select ...${ties} name="outcome">
					${OUTCOMES[operation].map(([value, label]) => html`<option value=${value}>${label}</option>`)}
				</select>`}
			<//>
			<${Field} label="Provider's name for the payment" hint="Only where this system does not know it yet.">
				${(/** @type {object} */ ties) => html`<input ...${ties} name="reference" autocomplete="off" spellcheck=${false} />`}
			<//>
			<${Field} label="Note" hint="What you have seen, and where.">
				${(/** @type {object} */ ties) => html`<input ...${ties} name="note" maxlength="1000" autocomplete="off" />`}
			<//>
			<div role="alert">${form.trouble !== undefined && html`<p class="trouble">${form.trouble}</p>`}</div>
			<button type="submit" class="primary wide">Decide</button>
		</form>
	<//>`;
}
