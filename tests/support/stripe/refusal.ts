/** What Stripe answers instead of an object. */

export interface ErrorBody {
	readonly type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';
	readonly message: string;
	readonly code?: string;
	readonly decline_code?: string;
	readonly param?: string;
	readonly payment_intent?: unknown;
}

export class Refusal extends Error {
	readonly status: number;
	readonly body: ErrorBody;
	/** whether Stripe keeps it under the key: it does once the endpoint has begun to work */
	readonly isKept: boolean;

	constructor(status: number, body: ErrorBody, isKept: boolean) {
		super(body.message);
		this.status = status;
		this.body = body;
		this.isKept = isKept;
	}
}

const optional = (code: string | undefined, param: string | undefined) => ({
	...(code === undefined ? {} : { code }),
	...(param === undefined ? {} : { param }),
});

/** A parameter that is wrong in itself: seen before any work, so not kept. */
export const invalid = (message: string, code?: string, param?: string): Refusal =>
	new Refusal(400, { type: 'invalid_request_error', message, ...optional(code, param) }, false);

/** Refused by the work itself: kept. */
export const refused = (message: string, code?: string, param?: string): Refusal =>
	new Refusal(400, { type: 'invalid_request_error', message, ...optional(code, param) }, true);

export const missing = (what: string, id: string, param: string): Refusal =>
	new Refusal(
		404,
		{ type: 'invalid_request_error', message: `No such ${what}: '${id}'`, code: 'resource_missing', param },
		true,
	);

/** The object is in another state. Messages differ from operation to operation; the code does not. */
export const wrongState = (message: string, paymentIntent: unknown): Refusal =>
	new Refusal(
		400,
		{
			...{ type: 'invalid_request_error', message, code: 'payment_intent_unexpected_state' },
			payment_intent: paymentIntent,
		},
		true,
	);

export const declined = (code: string, declineCode: string, paymentIntent: unknown): Refusal =>
	new Refusal(
		402,
		{
			...{ type: 'card_error', message: 'Your card was declined.', code, decline_code: declineCode },
			payment_intent: paymentIntent,
		},
		true,
	);
