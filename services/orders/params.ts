/**
 * What the actions of orders take, as JSON Schema: Moleculer's validator checks by these objects, the gateway reads
 * headers and queries by them, and `/openapi.json` shows them.
 */
import { LARGEST_AMOUNT } from '../../domain/money.ts';
import { ORDER_STATUSES, type OrderStatus } from '../../domain/order-record.ts';
import { CANCELLATION_WINDOW_RANGE, formatDuration } from '../../mixins/settings/index.ts';
import { addFormats, CURRENCIES, type ObjectSchema, type Schema } from '../../mixins/validation/index.ts';
import { ORDER_FORMATS } from './formats.ts';

addFormats(ORDER_FORMATS);

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

/** One unit of the currencies with the most decimals. */
export const SMALLEST_AMOUNT = 0.0001;

/** Uses only what the regular expressions of all languages have; RE2 and PCRE do not know `\\u`. */
const NO_CONTROL_CHARACTERS = '^[^\\x00-\\x1f\\x7f-\\x9f]*$';
const { min, max } = CANCELLATION_WINDOW_RANGE;

/** The body of `POST /orders`. */
export const CREATE_BODY = {
	type: 'object',
	properties: {
		productName: {
			type: 'string',
			description: 'What is bought: 1 to 255 characters after trimming, no control characters.',
			'x-trim': true,
			minLength: 1,
			maxLength: 255,
			pattern: NO_CONTROL_CHARACTERS,
			format: 'plain-text',
			examples: ['A pound of tea'],
		},
		amount: {
			type: 'number',
			format: 'double',
			description:
				'The price in major units, with no more decimals than the currency has by ISO 4217, counted as they are written: `10.500` has three. Kept exactly.',
			minimum: SMALLEST_AMOUNT,
			maximum: Number(LARGEST_AMOUNT),
			examples: [19.9],
		},
		currency: {
			type: 'string',
			description: 'ISO 4217. Unless given, the `DEFAULT_CURRENCY` of this installation.',
			enum: CURRENCIES,
			examples: ['USD'],
		},
		cancellationWindow: {
			type: 'string',
			description: `How long the buyer may cancel or pause: a number and a unit, \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`, from ${formatDuration(min)} to ${formatDuration(max)}. Unless given, the \`CANCELLATION_WINDOW\` of this installation.`,
			pattern: '^[0-9]{1,16}(\\.[0-9]{1,16})?(ms|s|m|h|d)$',
			format: 'cancellation-window',
			examples: ['10m'],
		},
		paymentMethod: {
			type: 'string',
			description:
				"The payment provider's own token for the buyer's card; with Stripe it is needed, such as `pm_…`. The sandbox knows `card_ok` (unless given), `card_declined` (the authorisation is declined), `card_capture_refused` (authorised, then refused for good), `card_flaky` (times out after doing it, then answers), `card_authentication` (the buyer must act: see `paymentAction`), `card_remembered_error` (the first capture and the first void do nothing, and answer an error under their keys) and `card_short_hold` (the money is held for 20 s).",
			minLength: 1,
			maxLength: 255,
			pattern: NO_CONTROL_CHARACTERS,
			format: 'plain-text',
			examples: ['card_ok'],
		},
	},
	required: ['productName', 'amount'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

/** The header `Idempotency-Key`. */
export const IDEMPOTENCY_KEY = {
	type: 'string',
	minLength: 1,
	maxLength: 255,
	pattern: '^[!-~]*$',
	examples: ['7c1f4be0-55a3-4d1a-9e8e-2f1f4c9b0d11'],
} as const satisfies Schema;

/**
 * The form of a request for an order, which does not depend on lists and defaults: the body with the amount also as the
 * source text of a JSON number, in a currency of any list, and the key.
 */
export const CREATE_PARAMS = {
	...CREATE_BODY,
	properties: {
		...CREATE_BODY.properties,
		amount: { type: ['string', 'number'] },
		currency: { type: 'string', pattern: '^[A-Z]{3}$' },
		idempotencyKey: IDEMPOTENCY_KEY,
	},
} as const satisfies ObjectSchema;

const ID = {
	type: 'string',
	format: 'uuid',
	description: "The order's id, a UUID v7.",
	examples: ['01a204ea-7a9f-7000-8000-055d243c1f4d'],
} as const satisfies Schema;

export const ID_PARAMS = {
	type: 'object',
	properties: { id: ID },
	required: ['id'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

/** The body of `PATCH /orders/{id}`. */
export const AMEND_BODY = {
	type: 'object',
	properties: {
		amount: {
			...CREATE_BODY.properties.amount,
			description:
				"What the order is to cost from now on, in major units of its currency: at most the present amount. Decimals are counted as they are written, as in a new order's amount.",
			examples: [12.5],
		},
	},
	required: ['amount'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

export interface AmendParams {
	id: string;
	/** as in `CreateParams` */
	amount: string | number;
}

export const AMEND_PARAMS = {
	...ID_PARAMS,
	properties: { ...ID_PARAMS.properties, amount: CREATE_PARAMS.properties.amount },
	required: ['id', 'amount'],
} as const satisfies ObjectSchema;

/** The body of `POST /orders/{id}/refunds`. */
export const REFUND_BODY = {
	type: 'object',
	properties: {
		amount: {
			...CREATE_BODY.properties.amount,
			description:
				"How much is given back, in major units of the order's currency; all that is left unless given. Decimals are counted as they are written, as in a new order's amount.",
			examples: [5],
		},
		reason: {
			type: 'string',
			description: 'Why, in your words; 1 to 255 characters after trimming. It is kept in the history.',
			'x-trim': true,
			minLength: 1,
			maxLength: 255,
			pattern: NO_CONTROL_CHARACTERS,
			format: 'plain-text',
			examples: ['arrived broken'],
		},
	},
	additionalProperties: false,
} as const satisfies ObjectSchema;

export interface RefundParams {
	id: string;
	/** as in `CreateParams` */
	amount?: string | number;
	reason?: string;
	idempotencyKey?: string;
}

export const REFUND_PARAMS = {
	...ID_PARAMS,
	properties: {
		...ID_PARAMS.properties,
		amount: CREATE_PARAMS.properties.amount,
		reason: REFUND_BODY.properties.reason,
		idempotencyKey: IDEMPOTENCY_KEY,
	},
} as const satisfies ObjectSchema;

/** The longest wait, in seconds. */
export const LONGEST_WAIT = 30;

export interface GetParams {
	id: string;
	/** versions that the caller knows, or `*` for any; the wait is for a different one */
	known?: string[];
	/** seconds to wait until the order differs from what the caller knows */
	wait?: number;
}

export const GET_PARAMS = {
	...ID_PARAMS,
	properties: {
		...ID_PARAMS.properties,
		known: { type: 'array', items: { type: 'string' } },
		wait: { type: 'integer', minimum: 0, maximum: LONGEST_WAIT },
	},
} as const satisfies ObjectSchema;

export interface ListParams {
	status?: OrderStatus;
	limit: number;
	cursor?: string;
}

export const LIST_PARAMS = {
	type: 'object',
	properties: {
		status: { type: 'string', description: 'Only orders in this state.', enum: ORDER_STATUSES, examples: ['Pending'] },
		limit: { type: 'integer', description: 'The most orders of one page.', minimum: 1, maximum: 100, default: 20 },
		cursor: {
			type: 'string',
			description: 'The `nextCursor` of the page before; opaque.',
			pattern: '^[A-Za-z0-9_-]{48}$',
			format: 'cursor',
		},
	},
	additionalProperties: false,
} as const satisfies ObjectSchema;

export interface HistoryParams {
	id: string;
	limit: number;
	cursor?: string;
}

/** The query of a history. */
export const HISTORY_QUERY = {
	type: 'object',
	properties: {
		limit: { type: 'integer', description: 'The most events of one page.', minimum: 1, maximum: 1000, default: 1000 },
		cursor: {
			type: 'string',
			description: 'The `nextCursor` of the page before; opaque.',
			pattern: '^[A-Za-z0-9_-]{2,12}$',
			format: 'history-cursor',
		},
	},
	additionalProperties: false,
} as const satisfies ObjectSchema;

export const HISTORY_PARAMS = {
	...ID_PARAMS,
	properties: { ...ID_PARAMS.properties, ...HISTORY_QUERY.properties },
} as const satisfies ObjectSchema;

/** The header `Last-Event-ID` of a stream. */
export const LAST_EVENT_ID = { type: 'string', minLength: 1, maxLength: 12_000 } as const satisfies Schema;

export interface ChangesParams {
	/** a position; without one nothing is told but the present position */
	after?: string;
	limit: number;
	/** refuses a position that is too far behind */
	bounded?: boolean;
}

export const CHANGES_PARAMS = {
	type: 'object',
	properties: {
		after: LAST_EVENT_ID,
		limit: { type: 'integer', minimum: 1, maximum: 1_000, default: 200 },
		bounded: { type: 'boolean' },
	},
	additionalProperties: false,
} as const satisfies ObjectSchema;
