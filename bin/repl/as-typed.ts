import type { Middleware, ServiceBroker } from 'moleculer';
import type { ObjectSchema, Schema } from '../../mixins/validation/json-schema.ts';

/**
 * `call orders.create --productName 1e5`: moleculer-repl reads options as numbers and truth values wherever it can. Where
 * the action takes a text, it gets what was typed. `typed` gives the command that is carried out.
 */
export function asTyped(typed: () => string): Middleware {
	let broker: ServiceBroker;
	const middleware = {
		name: 'AsTyped',
		created: (ours: ServiceBroker) => {
			broker = ours;
		},
		call: (next: (name: string, params: object, options: object) => Promise<unknown>) => {
			return (name: string, params: object, options: object) =>
				next(name, retyped(params, schemaOf(broker, name), typed()), options);
		},
	};
	return middleware as unknown as Middleware; // Moleculer's types leave the parameters of these hooks open
}

function schemaOf(broker: ServiceBroker, name: string): Partial<ObjectSchema> {
	const found = broker.registry.getActionList({}).find((action) => action.name === name);
	return (found as { readonly action?: { readonly params?: ObjectSchema } } | undefined)?.action?.params ?? {};
}

function retyped(params: object, { properties = {} }: Partial<ObjectSchema>, command: string): object {
	const texts = Object.entries(params).flatMap(([name, value]) => {
		const isGuess = typeof value === 'number' || typeof value === 'boolean';
		const text = isGuess && isText(properties[name]) ? textOf(command, name) : undefined;
		return text === undefined ? [] : [[name, text]];
	});
	return { ...params, ...Object.fromEntries(texts) };
}

const isText = (schema: Schema | undefined): boolean => schema?.type === 'string';

/** What stands behind `--name`. */
function textOf(command: string, name: string): string | undefined {
	const option = new RegExp(`\\s--${name}(?:\\s+|=)(?:"([^"]*)"|'([^']*)'|(?!--)(\\S+))`);
	const [, ...forms] = option.exec(command) ?? [];
	return forms.find((form) => form !== undefined);
}
