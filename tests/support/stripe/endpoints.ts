/** Which request does what. */
import type { Account } from './account.ts';
import { cancelIntent, captureIntent, createIntent, expandOf, intentOf } from './intents.ts';
import { listEvents, listIntents, listRefunds } from './lists.ts';
import { onlyKnown, type Params } from './params.ts';
import { createRefund, refundOf } from './refunds.ts';
import { showIntent, showRefund } from './shown.ts';

export type EndpointName =
	| 'create'
	| 'retrieve'
	| 'list'
	| 'capture'
	| 'cancel'
	| 'refund'
	| 'retrieve refund'
	| 'list refunds'
	| 'list events';

export interface Endpoint {
	readonly name: EndpointName;
	readonly method: 'GET' | 'POST';
	/** with a group for the id, where there is one */
	readonly path: RegExp;
	readonly perform: (account: Account, params: Params, id: string) => object;
}

const retrieve = (account: Account, params: Params, id: string): object => {
	onlyKnown(params, ['expand']);
	return showIntent(account, intentOf(account, id), expandOf(params));
};

const retrieveRefund = (account: Account, params: Params, id: string): object => {
	onlyKnown(params, []);
	return showRefund(refundOf(account, id));
};

// There is no search: it lags behind, and "not found" there proves nothing.
export const ENDPOINTS: readonly Endpoint[] = [
	{ name: 'create', method: 'POST', path: /^\/v1\/payment_intents$/, perform: createIntent },
	{ name: 'list', method: 'GET', path: /^\/v1\/payment_intents$/, perform: listIntents },
	{ name: 'retrieve', method: 'GET', path: /^\/v1\/payment_intents\/(pi_\w+)$/, perform: retrieve },
	{
		...{ name: 'capture', method: 'POST', path: /^\/v1\/payment_intents\/(pi_\w+)\/capture$/ },
		perform: (account, params, id) => captureIntent(account, id, params),
	},
	{
		...{ name: 'cancel', method: 'POST', path: /^\/v1\/payment_intents\/(pi_\w+)\/cancel$/ },
		perform: (account, params, id) => cancelIntent(account, id, params),
	},
	{ name: 'refund', method: 'POST', path: /^\/v1\/refunds$/, perform: createRefund },
	{ name: 'list refunds', method: 'GET', path: /^\/v1\/refunds$/, perform: listRefunds },
	{ name: 'retrieve refund', method: 'GET', path: /^\/v1\/refunds\/(re_\w+)$/, perform: retrieveRefund },
	{ name: 'list events', method: 'GET', path: /^\/v1\/events$/, perform: listEvents },
];
