/** One order of the list. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { serverNow } from './clock.js';
import { command } from './commands.js';
import { Countdown } from './countdown.js';
import { dialog } from './dialog.js';
import { moment, money } from './format.js';
import { html, memo } from './html.js';
import { isOpen, isRefundable, noteOf, STATUS } from './order-words.js';
import { useLeftAtPause } from './paused.js';

/** @typedef {import('./types.js').Order} Order */

/** @param {{ order: Order, position: number, total: number, isAdmin: boolean }} props */
function draw({ order, position, total, isAdmin }) {
	const row = useKeptFocus();
	const { amount, currency, orderNumber, paymentAction, productName, refundedAmount, status } = order;
	const hasRefund = Number(refundedAmount) > 0;
	return html`<article
		class="order"
		ref=${row}
		data-status=${status}
		aria-label=${`Order ${orderNumber}, ${productName}`}
		aria-posinset=${position}
		aria-setsize=${total}
	>
		<div class="what">
			<h3>${productName}</h3>
			<p class="number">${orderNumber}</p>
		</div>
		<div class="money">
			<span class="amount">${money(amount, currency)}</span>
			${hasRefund && html`<span class="given-back">${money(refundedAmount, currency)} given back</span>`}
		</div>
		<div class="state">
			<span class="chip">${STATUS[status]}</span>
			<p class="note">${noteOf(order, serverNow())}</p>
			${
				isOpen(order) &&
				paymentAction?.url &&
				html`<a class="confirm" href=${paymentAction.url} target="_blank" rel="noopener">Confirm at the bank</a>`
			}
		</div>
		<div class="window"><${Window} order=${order} /></div>
		<div class="actions"><${Actions} order=${order} isAdmin=${isAdmin} /></div>
	</article>`;
}

export const OrderRow = memo(draw);

/** @param {{ order: Order }} props */
function Window({ order }) {
	const due = Date.parse(order.pendingUntil);
	const whole = Math.max(1, due - Date.parse(order.createdAt));
	const stopped = useLeftAtPause(order);
	if (order.status === 'Pending') {
		return html`<${Countdown} due=${due} whole=${whole} />
			<p class="until">until ${moment(order.pendingUntil, serverNow())}</p>`;
	}
	if (stopped !== undefined) {
		return html`<${Countdown} due=${due} whole=${whole} stopped=${stopped} />
			<p class="until">left when resumed</p>`;
	}
	return html`<p class="until">${moment(order.createdAt, serverNow())}</p>`;
}

/** @param {{ order: Order, isAdmin: boolean }} props */
function Actions({ order, isAdmin }) {
	const { status } = order;
	return html`
		${
			isOpen(order) &&
			html`<button type="button" onClick=${once(() => command(order, status === 'Pending' ? 'hold' : 'resume'))}>
				${status === 'Pending' ? 'Pause' : 'Resume'}
			</button>`
		}
		${
			isOpen(order) &&
			html`<button type="button" onClick=${() => open('lower', order)}>Lower amount</button>
				<button type="button" class="danger" onClick=${once(() => command(order, 'cancel'))}>Cancel order</button>`
		}
		${
			isAdmin &&
			isRefundable(order) &&
			html`<button type="button" onClick=${() => open('refund', order)}>Refund</button>`
		}
		<button type="button" class="quiet" data-stays onClick=${() => open('history', order)}>History</button>
	`;
}

/** The second half of a double click would meet what the first has made of the button. @param {() => void} act */
const once =
	(act) =>
	(/** @type {MouseEvent} */ { detail }) =>
		void (detail < 2 && act());

/** @param {'lower' | 'refund' | 'history'} kind @param {Order} order */
function open(kind, { id }) {
	dialog.value = { kind, orderId: id };
}

/** A button that goes away hands the focus to one that stays in its row, so that the keyboard keeps its place. */
function useKeptFocus() {
	const row = useRef(/** @type {HTMLElement | null} */ (null));
	const hadFocus = useRef(false);
	const element = row.current;
	hadFocus.current = element?.contains(document.activeElement) ?? false;
	useLayoutEffect(() => {
		if (!hadFocus.current || row.current?.contains(document.activeElement)) return;
		const stays = row.current?.querySelector('[data-stays]');
		if (stays instanceof HTMLElement) stays.focus({ preventScroll: true });
	});
	return row;
}
