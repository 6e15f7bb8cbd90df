import { formatAmount } from '../../domain/money.ts';
import type { Order } from '../../domain/order.ts';
import type { OrderRecord, OrderStatus } from '../../domain/order-record.ts';
import type { PaymentStatus } from '../../domain/payment.ts';
import type { OrderRow, OrderView } from '../../mixins/database/reading/index.ts';
import { isoText } from '../../mixins/runtime/index.ts';
import { storedUnits } from '../../mixins/validation/index.ts';
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

function toDto(order: Fields, times: Times<number | Date>, paymentStatus: PaymentStatus): OrderDto {
	return {
		id: order.id,
		orderNumber: orderNumber(order.id),
		productName: order.productName,
		amount: formatAmount(order.amount, storedUnits),
		currency: order.amount.currency,
		status: order.status,
		paymentStatus,
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
export const orderToDto = ({ record, payment }: Order): OrderDto => toDto(record, record, payment.status);

/** From a stored row. */
export const rowToDto = (row: OrderRow): OrderDto =>
	toDto(
		{ ...row, amount: { minor: BigInt(row.amount), currency: row.currency } },
		row,
		row.payment?.status ?? 'Requested',
	);

/** From what the order watch reads. */
export const viewToDto = (view: OrderView): OrderDto =>
	toDto({ ...view, amount: { minor: view.amount, currency: view.currency } }, view, view.paymentStatus);
