/** The bodies of the console's own calls. */
import { RESOLUTION_OUTCOMES } from '../../domain/decision.ts';
import type { ObjectSchema } from '../../mixins/validation/index.ts';

/** So many ids fit into a body. */
export const MOST_REPLAYED = 300;

export const REPLAY_BODY = {
	type: 'object',
	properties: {
		ids: {
			type: 'array',
			description: 'The ids of messages that are dead letters.',
			items: { type: 'string', format: 'uuid' },
			minItems: 1,
			maxItems: MOST_REPLAYED,
		},
	},
	required: ['ids'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

export const RESUME_BODY = {
	type: 'object',
	properties: {
		group: { type: 'string', description: 'The consumer group that is paused.', minLength: 1, maxLength: 100 },
	},
	required: ['group'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

export const RESOLVE_BODY = {
	type: 'object',
	properties: {
		orderId: { type: 'string', format: 'uuid', description: 'The order whose payment is decided.' },
		refundId: { type: 'string', format: 'uuid', description: 'The refund that is decided; without it, the payment.' },
		outcome: { type: 'string', description: 'What was found out at the provider.', enum: RESOLUTION_OUTCOMES },
		reference: {
			type: 'string',
			description: "The provider's name for the payment, where it is not known yet.",
			minLength: 1,
			maxLength: 255,
			pattern: '^[!-~]*$',
		},
		note: {
			type: 'string',
			description: 'Why; it stands in the history.',
			minLength: 1,
			maxLength: 1_000,
			pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
			format: 'plain-text',
		},
	},
	required: ['orderId', 'outcome', 'note'],
	additionalProperties: false,
} as const satisfies ObjectSchema;
