/**
 * JSON Schema (draft 2020-12), the language in which the shapes of requests and answers are written once: Ajv checks
 * with them, and OpenAPI 3.1 shows the same objects.
 */
import { Ajv2020, type AnySchemaObject, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { DataValidationCxt } from 'ajv/dist/types/index.js';
import { FORMATS, type Format } from './formats.ts';

type TypeName = 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object' | 'null';

/** The keywords in use here. `x-trim` removes white space at both ends before anything else is looked at. */
export interface Schema {
	readonly $ref?: string;
	readonly title?: string;
	readonly description?: string;
	readonly examples?: readonly unknown[];
	readonly default?: unknown;
	readonly type?: TypeName | readonly TypeName[];
	readonly enum?: readonly unknown[];
	readonly const?: unknown;
	/** one that `addFormats` knows, where Ajv is to check it */
	readonly format?: string;
	readonly pattern?: string;
	readonly minLength?: number;
	readonly maxLength?: number;
	/** of a text that holds something else */
	readonly contentMediaType?: string;
	readonly contentSchema?: Schema;
	readonly minimum?: number;
	readonly maximum?: number;
	readonly items?: Schema;
	readonly minItems?: number;
	readonly maxItems?: number;
	readonly anyOf?: readonly Schema[];
	readonly properties?: Readonly<Record<string, Schema>>;
	readonly required?: readonly string[];
	readonly additionalProperties?: boolean;
	readonly 'x-trim'?: boolean;
}

/** An object that takes exactly these properties. */
export interface ObjectSchema extends Schema {
	readonly type: 'object';
	readonly properties: Readonly<Record<string, Schema>>;
	readonly additionalProperties: false;
	/** an action shows it to its callers and checks it itself, with more than a schema can say */
	readonly 'x-checked-by-handler'?: true;
}

/** One thing that is wrong with a value, in the form of Moleculer's validation errors. */
export interface Fault {
	/** the property of the value; empty for the value itself */
	readonly field: string;
	/** the keyword that it breaks */
	readonly type: string;
	readonly message: string;
}

/** Fills in defaults and trims in place; `true`, or what is wrong, one fault for each field. */
export type Check = (value: unknown) => true | Fault[];

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, useDefaults: true, verbose: true });
const formats = new Map<string, Format>();
addFormats(FORMATS);
// Only for those who read numbers: a client that takes an amount for a float32 loses cents.
ajv.addFormat('double', true);
ajv.addKeyword({
	keyword: 'x-trim',
	type: 'string',
	schemaType: 'boolean',
	modifying: true,
	before: 'maxLength',
	validate(on: boolean, text: string, _schema?: AnySchemaObject, place?: DataValidationCxt): boolean {
		// A text that stands alone has no place to be put back to.
		if (on && place?.parentData !== undefined) place.parentData[place.parentDataProperty] = text.trim();
		return true;
	},
});

/** Lets schemas use these formats too; before one that does is compiled. */
export function addFormats(more: Readonly<Record<string, Format>>): void {
	for (const [name, format] of Object.entries(more)) {
		formats.set(name, format);
		ajv.addFormat(name, format.check);
	}
}

/**
 * The check of a schema. It is compiled at its first use, which throws if the schema is not one: all of them would take a
 * fifth of a start, and most of a process's are never used.
 */
export function compile(schema: Schema): Check {
	let validate: ValidateFunction | undefined;
	return (value) => {
		validate ??= ajv.compile(schema);
		return validate(value) || faultsOf(validate.errors ?? []);
	};
}

/** The first fault of each field: the others often follow from it. */
function faultsOf(errors: readonly ErrorObject[]): Fault[] {
	const faults = new Map<string, Fault>();
	for (const fault of errors.map(faultOf)) if (!faults.has(fault.field)) faults.set(fault.field, fault);
	return [...faults.values()];
}

function faultOf(error: ErrorObject): Fault {
	const { keyword, params, instancePath } = error;
	const field = params.additionalProperty ?? params.missingProperty ?? fieldOf(instancePath);
	return { field: String(field), type: keyword, message: complaint(error) };
}

/** The top-level property of a JSON pointer. */
const fieldOf = (pointer: string): string => (pointer.split('/')[1] ?? '').replaceAll('~1', '/').replaceAll('~0', '~');

/** More values than these are looked up, not read out. */
const MOST_NAMED = 10;

function complaint({ keyword, params, parentSchema }: ErrorObject): string {
	const schema = (parentSchema ?? {}) as Schema;
	const { limit } = params;
	switch (keyword) {
		case 'additionalProperties':
			return 'Unknown field.';
		case 'required':
			return 'Is missing.';
		case 'type':
			return `Must be ${[schema.type ?? []].flat().map(withArticle).join(' or ')}.`;
		case 'enum':
			return oneOf(schema.enum ?? []);
		case 'minLength':
			return limit === 1 ? 'Must not be empty.' : `Must have at least ${limit} characters.`;
		case 'maxLength':
			return `Must have at most ${limit} characters.`;
		case 'minimum':
			return `Must be at least ${limit}.`;
		case 'maximum':
			return `Must be at most ${limit}.`;
		case 'format':
			return formats.get(schema.format ?? '')?.complaint ?? 'Has the wrong form.';
		case 'pattern':
			return 'Has characters, or an order of them, that are not accepted.';
		default:
			return 'Is not valid.';
	}
}

const oneOf = (values: readonly unknown[]): string =>
	`Must be one of ${values.length > MOST_NAMED ? `the ${values.length} values in /openapi.json` : values.join(', ')}.`;

const withArticle = (type: TypeName): string =>
	type === 'null' ? type : `${/^[aio]/.test(type) ? 'an' : 'a'} ${type}`;
