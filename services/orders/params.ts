import { Buffer } from 'node:buffer';
import { Errors } from 'moleculer';
import { type AmountError, type Money, parseAmount } from '../../domain/money.ts';
import { ORDER_STATUSES, type OrderStatus } from '../../domain/order-record.ts';
import { minorUnits } from '../../mixins/currencies.ts';
import { CANCELLATION_WINDOW_RANGE, formatDuration, parseDuration } from '../../mixins/settings.ts';

/** The parameters of `orders.create`, as the schema below lets them through. */
export interface CreateParams {
	productName: string;
	/** a JSON number's source text, or a number where the caller has no text */
	amount: string | number;
	currency?: string;
	/** such as `90s`, `10m`, `2h` */
	cancellationWindow?: string;
	paymentMethod?: string;
	idempotencyKey?: string;
}

type Complain = (problem: { type: string; actual?: unknown }) => void;

/** A check in the form of fastest-validator's custom checker. */
const check =
	(type: string, isGood: (value: string) => boolean) =>
	(value: unknown, errors: { push: Complain }): unknown => {
		if (typeof value === 'string' && !isGood(value)) errors.push({ type, actual: value });
		return value;
	};

const isPlainText = (text: string): boolean => {
	const characters = [...text].length;
	return characters >= 1 && characters <= 255 && !/\p{Cc}/u.test(text) && text.isWellFormed();
};

function isWindow(text: string): boolean {
	const length = parseDuration(text);
	return length !== undefined && length >= CANCELLATION_WINDOW_RANGE.min && length <= CANCELLATION_WINDOW_RANGE.max;
}

const { min, max } = CANCELLATION_WINDOW_RANGE;

const MESSAGES = {
	plainText: 'Must have 1 to 255 characters and no control characters.',
	currency: 'Must be a currency code of ISO 4217 in capitals.',
	window: `Must be a duration such as 90s, 10m or 2h, from ${formatDuration(min)} to ${formatDuration(max)}.`,
	idempotencyKey: 'Must have 1 to 255 visible ASCII characters.',
	cursor: 'Is not a cursor that a list has answered with.',
};

export const CREATE_PARAMS = {
	$$strict: true,
	productName: { type: 'string', trim: true, custom: check('plainText', isPlainText), messages: MESSAGES },
	amount: [{ type: 'string' }, { type: 'number' }],
	currency: {
		type: 'string',
		optional: true,
		custom: check('currency', (code) => minorUnits(code) !== undefined),
		messages: MESSAGES,
	},
	cancellationWindow: { type: 'string', optional: true, custom: check('window', isWindow), messages: MESSAGES },
	paymentMethod: { type: 'string', optional: true, custom: check('plainText', isPlainText), messages: MESSAGES },
	idempotencyKey: {
		type: 'string',
		optional: true,
		custom: check('idempotencyKey', (key) => /^[\x21-\x7e]{1,255}$/.test(key)),
		messages: MESSAGES,
	},
};

export const ID_PARAMS = { $$strict: true, id: { type: 'uuid' } };

export interface ListParams {
	status?: OrderStatus;
	limit: number;
	cursor?: string;
}

export const LIST_PARAMS = {
	$$strict: true,
	status: { type: 'enum', values: [...ORDER_STATUSES], optional: true },
	limit: { type: 'number', integer: true, min: 1, max: 100, convert: true, default: 20 },
	cursor: {
		type: 'string',
		optional: true,
		custom: check('cursor', (cursor) => idOfCursor(cursor) !== undefined),
		messages: MESSAGES,
	},
};

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A cursor is opaque to clients: the id of the last order of the page before. */
export const cursorOfId = (id: string): string => Buffer.from(id).toString('base64url');

export function idOfCursor(cursor: string): string | undefined {
	const id = Buffer.from(cursor, 'base64url').toString('latin1');
	return UUID.test(id) && cursorOfId(id) === cursor ? id : undefined;
}

const AMOUNT_MESSAGES: Record<AmountError, string> = {
	'not-a-number': 'Must be a number.',
	'not-positive': 'Must be above 0.',
	'too-large': 'Must be at most 999999999999.99.',
	'too-many-decimals': 'Has more decimals than the currency.',
	'unknown-currency': MESSAGES.currency,
};

/** The amount in minor units; throws a validation error. */
export function amountOf(amount: string | number, currency: string): Money {
	const parsed = parseAmount(String(amount), currency, minorUnits);
	if (parsed.ok) return parsed.value;
	throw new Errors.ValidationError('Parameters validation error!', 'VALIDATION_ERROR', [
		{ field: 'amount', type: parsed.error, message: AMOUNT_MESSAGES[parsed.error] },
	]);
}
