import { Validators } from 'moleculer';
import { compile, type ObjectSchema } from './json-schema.ts';

type Params = Parameters<Validators.Fastest['compile']>[0];
type Checker = ReturnType<Validators.Fastest['compile']>;

/**
 * Moleculer's validator for actions whose `params` are a JSON Schema; those of other services, the framework's own
 * among them, stay with fastest-validator.
 */
export class SchemaValidator extends Validators.Fastest {
	override compile(params: Params): Checker {
		// Moleculer takes `true` or a list of faults; its types know only of `true`.
		if (!isObjectSchema(params)) return super.compile(params);
		return params['x-checked-by-handler'] === true ? () => true : (compile(params) as unknown as Checker);
	}
}

/** To fastest-validator `type: 'object'` would be a property called `type`. */
const isObjectSchema = (params: unknown): params is ObjectSchema => {
	const { type, properties } = params as Partial<ObjectSchema>;
	return type === 'object' && typeof properties === 'object';
};
