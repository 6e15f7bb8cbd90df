/** The columns of an order, its payment and its shipment: each stands here once, for all that reads and writes them. */
import type { OrderRecord } from '../../domain/order-record.ts';
import type { OpenOperation, Payment } from '../../domain/payment.ts';
import type { Shipment } from '../../domain/shipment.ts';
import type { Columns, ColumnsOf } from './columns.ts';

/** An order as it is stored, with the trace of the request that placed it. */
export type OrderRow = Omit<OrderRecord, 'amount'> & {
	readonly amount: bigint;
	readonly currency: string;
	readonly traceparent: string | null;
};

/** The columns that never change. */
const FIXED = {
	id: 'uuid',
	owner: 'text',
	productName: 'text',
	currency: 'word',
	paymentMethod: 'text',
	cancellationWindow: 'int',
	createdAt: 'moment',
	traceparent: 'word',
} as const;

/** The columns that are set from the start and may change. */
const BEGUN = { amount: 'bigint', status: 'word', pendingUntil: 'moment', sequence: 'int', sweepAt: 'moment' } as const;

/** The columns that are set later. */
const LATER = {
	heldAt: 'moment',
	holdExpiresAt: 'moment',
	pauses: 'int',
	confirmedAt: 'moment',
	cancelledAt: 'moment',
	shippedAt: 'moment',
	failedAt: 'moment',
	failureReason: 'text',
	sweeps: 'int',
} as const;

export const ORDER = { ...FIXED, ...BEGUN, ...LATER } satisfies ColumnsOf<OrderRow>;
export const NEW_ORDER = { ...FIXED, ...BEGUN };
export const CHANGED_ORDER = { id: FIXED.id, ...BEGUN, ...LATER };

const SHOWN = [
	'id',
	'owner',
	'productName',
	'amount',
	'currency',
	'status',
	'createdAt',
	'pendingUntil',
	'holdExpiresAt',
	'confirmedAt',
	'cancelledAt',
	'shippedAt',
	'failedAt',
	'failureReason',
] as const;

/** What clients see of an order. */
export type ShownOrder = Pick<OrderRow, (typeof SHOWN)[number]>;
export const SHOWN_ORDER: Columns = Object.fromEntries(SHOWN.map((name) => [name, ORDER[name]]));

/** A payment as it is stored: of an operation that is not open, nothing is. */
export type PaymentRow = Omit<Payment, 'open' | 'action' | 'tried'> & {
	readonly orderId: string;
	/** a `PaymentAction` as JSON */
	readonly action: string | null;
	/** the `Attempt`s as JSON; null if there are none */
	readonly tried: string | null;
} & (OpenOperation | NothingOpen);
type NothingOpen = { readonly [Name in keyof OpenOperation]: null };

export const PAYMENT = {
	orderId: 'uuid',
	status: 'word',
	operation: 'word',
	keyUsedAt: 'moment',
	attemptUntil: 'moment',
	attempts: 'int',
	keyNumber: 'int',
	rememberedAt: 'moment',
	requestVersion: 'int',
	reference: 'text',
	authorizedMinor: 'bigint',
	captureBefore: 'moment',
	action: 'text',
	refundedMinor: 'bigint',
	tried: 'text',
	undecidedSince: 'moment',
} as const satisfies ColumnsOf<PaymentRow>;

const { orderId, status, captureBefore, action, refundedMinor } = PAYMENT;
/** What clients see of a payment. */
export const SHOWN_PAYMENT = { orderId, status, captureBefore, action, refundedMinor } as const;
export type ShownPayment = Pick<PaymentRow, 'status' | 'captureBefore' | 'action' | 'refundedMinor'>;

/** What is read of a payment beside that, with the history of one order. */
export const TRIED_PAYMENT = { reference: PAYMENT.reference, tried: PAYMENT.tried } as const;
export type TriedPayment = Pick<PaymentRow, 'reference' | 'tried'>;

export const SHIPMENT = { orderId: 'uuid', attemptUntil: 'moment', attempts: 'int' } as const satisfies ColumnsOf<
	Shipment & { readonly orderId: string }
>;

/** The columns of an event that are read. */
export const EVENT = {
	orderId: 'uuid',
	sequence: 'int',
	id: 'uuid',
	type: 'word',
	occurredAt: 'moment',
	data: 'json',
} as const satisfies Columns;
