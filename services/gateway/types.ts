/** What moleculer-web has for the gateway, and what both hang on a request. */
import type { IncomingMessage } from 'node:http';
import type { Context } from 'moleculer';
import type { RequestTrace } from '../../mixins/observability/index.ts';
import type { Meta } from '../orders/caller.ts';
import type { Action, Target } from './http/routes.ts';

export type Params = Record<string, unknown>;

export interface Alias {
	readonly action: Action;
}

/** What moleculer-web and this service hang on a request. */
export interface Request extends IncomingMessage {
	$trace: RequestTrace;
	$target: Target;
	/** the path below which the client sees the gateway; empty if no proxy says so */
	$prefix: string;
	/** seconds that this request is ready to wait */
	$wait: number | undefined;
	$params: Params;
	$ctx?: Context<unknown, Meta>;
	$alias?: Alias;
	/** gives back the place that it has among the requests at work */
	$leave?: () => void;
}

export interface RootCallOptions {
	requestID?: string;
	meta?: Meta;
	tracking?: boolean;
	timeout?: number;
}

/** What moleculer-web puts on `this`, as far as it is used here. */
export interface ApiGatewayParts {
	readonly aliases: readonly Alias[];
	regenerateAllAutoAliases: () => void;
}
