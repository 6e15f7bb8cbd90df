import { formatAmount } from '../../domain/money.ts';
import type { Order } from '../../domain/order.ts';
import type { OrderRecord, OrderStatus } from '../../domain/order-record.ts';
import type { PaymentStatus } from '../../domain/payment.ts';
import type { PaymentAction } from '../../domain/provider.ts';
import type { OrderRow, OrderView } from '../../mixins/database/reading/index.ts';
import { isoText } from '../../mixins/runtime/index.ts';
import { storedUnits } from '../../mixins/validation/index.ts';
import type { Caller } from './caller.ts';
import { orderNumber } from './order-number.ts';

/** An order as actions answer with it. Times are RFC 3339; what has not happened is null. */
export interface OrderDto {
	readonly id: string;
	readonly orderNumber: string;
	readonly productName: string;
	/** major units as an exact decimal; over HTTP a JSON number with these digits */
	readonly amount: string;
	readonly currency: string;
	readonly status: OrderStatus;
	readonly paymentStatus: PaymentStatus;
	/** what the buyer has to do before the bank decides; for the owner alone */
	readonly paymentAction: PaymentAction | null;
	readonly captureBefore: string | null;
	/** as `amount` */
	readonly refundedAmount: string;
	readonly createdAt: string;
	readonly pendingUntil: string;
	readonly heldUntil: string | null;
	readonly confirmedAt: string | null;
	readonly cancelledAt: string | null;
	readonly shippedAt: string | null;
	readonly failedAt: string | null;
	readonly failureReason: string | null;
}

type Fields = Pick<OrderRecord, 'id' | 'productName' | 'amount' | 'status' | 'failureReason'>;

interface Times<T> {
	readonly createdAt: T;
	readonly pendingUntil: T;
	readonly holdExpiresAt: T | null;
	readonly confirmedAt: T | null;
	readonly cancelledAt: T | null;
	readonly shippedAt: T | null;
	readonly failedAt: T | null;
}

/** What is shown of a payment. */
interface Shown {
	readonly status: PaymentStatus;
	readonly action: PaymentAction | null;
	readonly captureBefore: number | Date | null;
	readonly refundedMinor: bigint;
}
const NOTHING_YET: Shown = { status: 'Requested', action: null, captureBefore: null, refundedMinor: 0n };

function toDto(order: Fields, times: Times<number | Date>, payment: Shown, isOwner: boolean): OrderDto {
	const { currency } = order.amount;
	return {
		id: order.id,
		orderNumber: orderNumber(order.id),
		productName: order.productName,
		amount: formatAmount(order.amount, storedUnits),
		currency,
		status: order.status,
		paymentStatus: payment.status,
		paymentAction: isOwner ? payment.action : null,
		captureBefore: isoOrNull(payment.captureBefore),
		refundedAmount: formatAmount({ minor: payment.refundedMinor, currency }, storedUnits),
		createdAt: iso(times.createdAt),
		pendingUntil: iso(times.pendingUntil),
		heldUntil: order.status === 'OnHold' ? isoOrNull(times.holdExpiresAt) : null,
		confirmedAt: isoOrNull(times.confirmedAt),
		cancelledAt: isoOrNull(times.cancelledAt),
		shippedAt: isoOrNull(times.shippedAt),
		failedAt: isoOrNull(times.failedAt),
		failureReason: order.failureReason,
	};
}

const iso = (time: number | Date): string => isoText(Number(time));
const isoOrNull = (time: number | Date | null): string | null => (time === null ? null : iso(time));

/** From the aggregate, as it will be once it is stored. */
export const orderToDto = ({ record, payment }: Order, caller: Caller): OrderDto =>
	toDto(record, record, payment, record.owner === caller.subject);

/** From a stored row. */
export function rowToDto(row: OrderRow, caller: Caller): OrderDto {
	const { payment } = row;
	const shown = payment && {
		...payment,
		action: actionOf(payment.action),
		refundedMinor: BigInt(payment.refundedMinor),
	};
	const amount = { minor: BigInt(row.amount), currency: row.currency };
	return toDto({ ...row, amount }, row, shown ?? NOTHING_YET, row.owner === caller.subject);
}

/** From what the order watch reads. */
export function viewToDto(view: Omit<OrderView, 'version'>, caller: Caller): OrderDto {
	const { captureBefore, refundedMinor, paymentStatus: status } = view;
	const payment = { status, action: actionOf(view.action), captureBefore, refundedMinor };
	const amount = { minor: view.amount, currency: view.currency };
	return toDto({ ...view, amount }, view, payment, view.owner === caller.subject);
}

const actionOf = (stored: string | null): PaymentAction | null => (stored === null ? null : JSON.parse(stored));
