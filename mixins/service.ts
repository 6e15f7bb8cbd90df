/**
 * How services and mixins are written: plain Moleculer schemas, with `this` inferred from the mixins.
 *
 * Moleculer runs `created` and `started` from the last mixin to the first and then the service's own, `stopped` the other
 * way round. So a list of mixins begins with what depends on the others. It copies schemas deeply, and one module serves
 * every broker of a process: mixins keep nothing in closures, they make their objects in `created` and hang them on `this`.
 */
import type { ActionSchema, Service, ServiceSchema, ServiceSettingSchema } from 'moleculer';
import { type Platform, platformOf } from './platform.ts';
import type { ObjectSchema } from './validation/index.ts';

declare const ADDS: unique symbol;
declare const NEEDS: unique symbol;

/** A mixin: what it adds to `this`, and which methods of the service it calls. */
export type Mixin<Adds = object, Needs = object> = Partial<ServiceSchema> & {
	readonly [ADDS]?: (adds: Adds) => void;
	readonly [NEEDS]?: (needs: Needs) => void;
};
type AnyMixin = Mixin<never, never>;

/** What all these mixins add to `this` together. */
type Added<M extends readonly AnyMixin[]> = M[number] extends { readonly [ADDS]?: (adds: infer A) => void } ? A : never;
/** The methods that they call. */
type Needed<M extends readonly AnyMixin[]> = M[number] extends { readonly [NEEDS]?: (needs: infer N) => void }
	? N
	: never;

type Writable<T> = { -readonly [name in keyof T]: T[name] };
type Hook = () => void;
type AsyncHook = () => void | Promise<void>;

/** Each handler types its own context. */
type Action = Omit<ActionSchema, 'params' | 'handler'> & {
	/** in milliseconds; of calls from other nodes too */
	readonly timeout?: number;
	readonly params?: ObjectSchema | object;
	/** missing if a mixin has the action */
	handler?(ctx: never): unknown;
};
type Handler = (ctx: never) => unknown;
/** Gets what an action has answered, and returns what is answered instead. */
type AfterAction = (ctx: never, result: never) => unknown;

/** What a schema may hold. */
interface Parts<S, M> {
	readonly mixins?: readonly AnyMixin[];
	readonly settings?: S;
	readonly actions?: Readonly<Record<string, Action | Handler | false>>;
	readonly events?: Readonly<Record<string, Handler | { readonly params?: object; handler: Handler }>>;
	readonly methods?: M;
	readonly hooks?: { readonly after?: Readonly<Record<string, AfterAction>> };
	readonly created?: Hook;
	readonly started?: AsyncHook;
	readonly stopped?: AsyncHook;
}

/** What every service of ours has. */
export interface WithPlatform {
	platform: Platform;
}

/** A mixin that adds `Adds` to `this`, calls the methods `Needs` of the service, and uses what other mixins add, `Uses`. */
export const defineMixin = <Adds extends object, Needs extends object = object, Uses extends object = object>(
	parts: Parts<object, object> & ThisType<Service & WithPlatform & Writable<Adds> & Needs & Uses>,
): Mixin<Adds, Needs> => parts as Mixin<Adds, Needs>;

/** The last mixin of every service. Its `created` runs first, so the others find the platform on `this`. */
const withPlatform = defineMixin<WithPlatform>({
	created() {
		this.platform = platformOf(this);
	},
});

/** A service as Moleculer and its runner take it. */
export const defineService = <
	const M extends readonly AnyMixin[],
	Own extends Needed<M>,
	S extends object = ServiceSettingSchema,
>(
	schema: { readonly name: string; readonly mixins: M } & Parts<S, Own> &
		ThisType<Service<S> & WithPlatform & Added<M> & Own>,
): ServiceSchema => ({ ...schema, mixins: [...schema.mixins, withPlatform] }) as unknown as ServiceSchema;
