/** The form in which an operation is described. */
import type { ProblemCode } from '../../../mixins/http/index.ts';
import type { ObjectSchema } from '../../../mixins/validation/index.ts';
import type { RequestName, SCHEMAS } from './schemas.ts';

/** A header field or parameter of `components`. */
export type HeaderName =
	| 'Date'
	| 'ETag'
	| 'Idempotent-Replayed'
	| 'Location'
	| 'Preference-Applied'
	| 'Retry-After'
	| 'WWW-Authenticate'
	| 'X-Request-Id';
export type ParameterName =
	| 'Id'
	| 'Slug'
	| 'Page'
	| 'EndpointId'
	| 'EventId'
	| 'Idempotency-Key'
	| 'If-None-Match'
	| 'Last-Event-ID'
	| 'Prefer'
	| 'Stripe-Signature';

export interface Success {
	readonly status: number;
	readonly description: string;
	readonly headers?: readonly HeaderName[];
	/** the answer's schema and example; none where there is no body */
	readonly schema?: keyof typeof SCHEMAS;
	readonly example?: unknown;
	/** operations that go on from here, with the value of the parameter that they take it as */
	readonly links?: Readonly<Record<string, { operationId: string; parameters: Readonly<Record<string, string>> }>>;
	/** other than JSON */
	readonly mediaType?: string;
}

export interface Body {
	readonly schema: RequestName;
	/** by name */
	readonly examples: Readonly<Record<string, unknown>>;
	/** beside JSON */
	readonly mediaTypes?: readonly string[];
	/** true unless it says otherwise */
	readonly required?: boolean;
}

export interface Operation {
	readonly id: string;
	readonly tag:
		| 'Orders'
		| 'Webhook endpoints'
		| 'Webhooks'
		| 'Sandbox'
		| 'Console'
		| 'Health'
		| 'Metrics'
		| 'Documentation';
	readonly summary: string;
	readonly description: string;
	readonly parameters?: readonly ParameterName[];
	/** whose query it takes */
	readonly query?: ObjectSchema;
	/** without one the operation takes none */
	readonly body?: Body;
	readonly successes: readonly Success[];
	/** beside those that any request can meet */
	readonly problems?: readonly ProblemCode[];
}

export const PAGE: Success = {
	status: 200,
	description: 'The page.',
	headers: ['ETag'],
	schema: 'Text',
	mediaType: 'text/html',
};
export const NOT_MODIFIED: Success = { status: 304, description: 'Not modified.', headers: ['ETag'] };
