/** An order's story: every event in its order, with every attempt at the payment provider. */
import { useEffect, useState } from 'preact/hooks';
import { serverNow } from './clock.js';
import { whyOf } from './commands.js';
import { Dialog } from './dialog.js';
import { duration, fromMinor, moment, money, title, words } from './format.js';
import { html } from './html.js';
import { noteOf, STATUS } from './order-words.js';
import { readStory } from './story.js';

/** @typedef {import('./types.js').History} Story */

/** @type {Readonly<Record<string, string>>} */
const TITLES = {
	OrderPending: 'Order created',
	OrderHeld: 'Paused',
	OrderResumed: 'Resumed',
	OrderCancelRequested: 'Cancel asked for',
	OrderCancelled: 'Cancelled',
	OrderConfirmed: 'Window over: confirmed',
	OrderShipped: 'Handed over to the parcel service',
	OrderAmended: 'Amount lowered',
	PaymentAuthorized: 'Money held',
	PaymentDeclined: 'Payment declined',
	PaymentCaptured: 'Money taken',
	PaymentVoided: 'Money released',
	PaymentFailed: 'Payment failed',
	PaymentActionRequired: 'The bank asks the buyer',
	PaymentResolved: 'Decided by a person',
	RefundRequested: 'Refund asked for',
	RefundSucceeded: 'Money given back',
	RefundFailed: 'Refund failed',
};

/** What stands above the story already. */
const KNOWN = new Set(['version', 'attempts', 'currency', 'productName']);

/**
 * How many decimals the minor units of the order's amount have: the browser's list of currencies is another one.
 * @param {import('./types.js').Order} order
 * @param {readonly import('./types.js').HistoryEvent[]} events
 */
function decimalsOf({ amount }, events) {
	const priced = events.findLast(({ type }) => type === 'OrderAmended' || type === 'OrderPending');
	const minor = String(priced?.data.amountMinor ?? '');
	const [whole = '', part = ''] = amount.split('.');
	return [0, 1, 2, 3, 4].find(
		(count) => part.length <= count && String(BigInt(whole + part.padEnd(count, '0'))) === minor,
	);
}

/** @param {{ order: import('./types.js').Order }} props */
export function History({ order }) {
	const [story, setStory] = useState(/** @type {Story | null} */ (null));
	const [trouble, setTrouble] = useState('');
	useEffect(() => {
		let isShown = true;
		readStory(order.id).then(
			(read) => {
				if (!isShown) return;
				setTrouble('');
				setStory(read);
			},
			(error) => isShown && setTrouble(whyOf(error)),
		);
		return () => {
			isShown = false;
		};
	}, [order]);
	const begin = Date.parse(order.createdAt);
	const decimals = decimalsOf(order, story?.data ?? []);
	return html`<${Dialog} title=${order.productName} class="history">
		<p class="number">${order.orderNumber}</p>
		<p class="summary" data-status=${order.status}>
			<span class="amount">${money(order.amount, order.currency)}</span>
			<span class="chip">${STATUS[order.status]}</span>
			<span class="note">${noteOf(order, serverNow())}</span>
		</p>
		<div role="alert">${trouble !== '' && html`<p class="trouble">${trouble}</p>`}</div>
		${story === null && trouble === '' && html`<p class="nothing">Reading the history…</p>`}
		${
			story !== null &&
			html`<ol class="story" aria-label="History">
				${story.data.map(
					({ id, type, occurredAt, data }) => html`<li key=${id} data-type=${type}>
						<h3>${TITLES[type] ?? title(type)}</h3>
						<p class="when">
							<time datetime=${occurredAt}>${moment(occurredAt, serverNow())}</time>
							<span>${`after ${duration(Date.parse(occurredAt) - begin)}`}</span>
						</p>
						<${Facts} data=${data} currency=${order.currency} decimals=${decimals} />
						<${Attempts} attempts=${data.attempts ?? []} />
					</li>`,
				)}
				${
					story.attempts.length > 0 &&
					html`<li class="open" key="open">
						<h3>Being tried now</h3>
						<${Attempts} attempts=${story.attempts} />
					</li>`
				}
			</ol>`
		}
		${
			story?.paymentPage &&
			html`<p><a href=${story.paymentPage} target="_blank" rel="noopener">The payment at the provider</a></p>`
		}
	<//>`;
}

/** @param {{ data: Readonly<Record<string, unknown>>, currency: string, decimals: number | undefined }} props */
function Facts({ data, currency, decimals }) {
	const facts = Object.entries(data).flatMap(([name, value]) => {
		if (KNOWN.has(name) || value === null || typeof value === 'object') return [];
		if (!name.endsWith('Minor') || decimals === undefined) return [[words(name), factOf(String(value))]];
		return [[words(name.replace('Minor', '')), money(fromMinor(String(value), decimals), currency)]];
	});
	if (facts.length === 0) return null;
	return html`<dl class="facts">
		${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
	</dl>`;
}

/** @param {string} text */
const factOf = (text) => (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text) ? moment(text, serverNow()) : text);

/** @param {{ attempts: readonly import('./types.js').Attempt[] }} props */
function Attempts({ attempts }) {
	if (attempts.length === 0) return null;
	return html`<ul class="attempts" aria-label="Attempts">
		${attempts.map(
			({ operation, attempt, outcome, by, beganAt, endedAt, code, reference, requestId, key }) => html`<li
				data-outcome=${outcome}
				key=${`${beganAt} ${attempt}`}
			>
				<span class="outcome">${outcome}</span>
				<span>${by === 'find' ? `asked what became of ${operation}` : operation}, attempt ${attempt}</span>
				<span class="took">${duration(Date.parse(endedAt) - Date.parse(beganAt))}</span>
				<span class="more">${[code, reference, requestId, key].filter(Boolean).join(' · ')}</span>
			</li>`,
		)}
	</ul>`;
}
