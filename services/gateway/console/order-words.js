/** An order's state in words. */
import { moment } from './format.js';

/** @typedef {import('./types.js').Order} Order */

/** @type {Readonly<Record<Order['status'], string>>} */
export const STATUS = {
	Pending: 'Pending',
	OnHold: 'On hold',
	CancelRequested: 'Cancelling',
	Cancelled: 'Cancelled',
	Confirmed: 'Confirmed',
	Shipped: 'Shipped',
	PaymentFailed: 'Payment failed',
};

/** @type {Readonly<Record<string, string>>} */
const PAYMENT = {
	Requested: 'The bank is being asked',
	ActionRequired: 'The bank waits for the buyer',
	Authorized: 'The money is held',
	Unknown: 'The bank has not answered yet',
};

/** @param {Order} order @param {number} now */
export function noteOf(order, now) {
	const { status, paymentStatus, failureReason } = order;
	switch (status) {
		case 'Pending':
			return PAYMENT[paymentStatus] ?? '';
		case 'OnHold':
			return order.heldUntil === null ? 'Paused' : `Paused, at the latest until ${moment(order.heldUntil, now)}`;
		case 'CancelRequested':
			return paymentStatus === 'Unknown' ? 'The bank has not answered yet' : 'The money is being released';
		case 'Cancelled':
			return 'Nothing was taken';
		case 'Confirmed':
			return paymentStatus === 'Captured' ? 'Paid; on its way to the parcel service' : 'The money is being taken';
		case 'Shipped':
			return SHIPPED[paymentStatus] ?? `Paid and handed over, ${moment(order.shippedAt ?? order.createdAt, now)}`;
		case 'PaymentFailed':
			return failureReason ?? '';
	}
}

/** @type {Readonly<Record<string, string>>} */
const SHIPPED = { PartiallyRefunded: 'A part was given back', Refunded: 'All was given back' };

/** Within the window, as far as the page knows. @param {Order} order */
export const isOpen = ({ status }) => status === 'Pending' || status === 'OnHold';

/** @param {Order} order */
export const isRefundable = ({ status, paymentStatus }) =>
	status === 'Shipped' && (paymentStatus === 'Captured' || paymentStatus === 'PartiallyRefunded');
