import type { ObjectSchema } from '../../mixins/validation/index.ts';

/** The body of an answer on a page of the sandbox. */
export const SANDBOX_ANSWER = {
	type: 'object',
	properties: {
		outcome: {
			type: 'string',
			description: '`succeeded`: the money is held. `failed`: the payment is declined.',
			enum: ['succeeded', 'failed'],
		},
	},
	required: ['outcome'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

export const PAGE_PARAMS = {
	type: 'object',
	properties: { page: { type: 'string', format: 'uuid' } },
	required: ['page'],
	additionalProperties: false,
} as const satisfies ObjectSchema;

export const ANSWER_PARAMS = {
	...SANDBOX_ANSWER,
	properties: { ...PAGE_PARAMS.properties, ...SANDBOX_ANSWER.properties },
	required: ['page', 'outcome'],
} as const satisfies ObjectSchema;

export interface AnswerParams {
	readonly page: string;
	readonly outcome: 'succeeded' | 'failed';
}
