/** One request to Stripe's API, without the network: from its parts to its answer. */
import type { Account } from './account.ts';
import { API_VERSION } from './account.ts';
import { ENDPOINTS, type Endpoint, type EndpointName } from './endpoints.ts';
import type { Gate } from './gate.ts';
import { type Answer, KeyMemory } from './key-memory.ts';
import { fingerprint, mapOf, type Params, parseForm, textOf } from './params.ts';
import { invalid, Refusal } from './refusal.ts';

export interface Call {
	readonly requestId: string;
	readonly endpoint: Endpoint;
	/** of the object in the path; '' where there is none */
	readonly id: string;
	readonly params: Params;
	/** method, path and parameters: what has to be equal under one key */
	readonly request: string;
	readonly key: string | undefined;
	readonly authorization: string | undefined;
}

/** What comes in by HTTP. */
export interface Incoming {
	readonly method: string;
	readonly url: string;
	readonly body: string;
	readonly key: string | undefined;
	readonly authorization: string | undefined;
}

const LOST: Answer = {
	status: 500,
	body: errorText({ type: 'api_error', message: 'An error occurred.' }),
	headers: {},
};

function errorText(error: object): string {
	return JSON.stringify({ error });
}

export class Api {
	readonly account: Account;
	readonly gate: Gate;
	readonly keys = new KeyMemory();
	/** how many requests named an order, by order and endpoint */
	readonly requests = new Map<string, Record<string, number>>();
	/** how many there were of each endpoint */
	readonly totals: Partial<Record<EndpointName, number>> = {};

	constructor(account: Account, gate: Gate) {
		this.account = account;
		this.gate = gate;
	}

	/** Undefined where no endpoint is meant. */
	read({ method, url, body, key, authorization }: Incoming): Call | undefined {
		const { pathname, search } = new URL(url, 'http://stripe.invalid');
		for (const endpoint of ENDPOINTS) {
			const match = endpoint.method === method ? endpoint.path.exec(pathname) : null;
			if (match === null) continue;
			const text = method === 'GET' ? search.slice(1) : body;
			const call: Call = {
				...{ requestId: this.account.id('req'), endpoint, id: match[1] ?? '', params: parseForm(text) },
				...{ request: `${method} ${pathname} ${fingerprint(text)}`, key, authorization },
			};
			this.#count(call);
			return call;
		}
		return undefined;
	}

	/** Does it, or answers what is kept under the key. */
	answer(call: Call): Answer {
		try {
			return this.#replayed(call) ?? this.#first(call);
		} catch (error) {
			return toAnswer(error);
		}
	}

	/** Answers 500, which is kept; what the work would have been is for the caller to do. */
	fail(call: Call): Answer {
		try {
			const replayed = this.#replayed(call);
			if (replayed !== undefined) return replayed;
		} catch (error) {
			return toAnswer(error);
		}
		if (call.key !== undefined) {
			this.keys.begin(call.key, call.request);
			this.keys.end(call.key, LOST);
		}
		return LOST;
	}

	/** The work alone, whatever the keys say; throws a `Refusal`. */
	perform({ endpoint, params, id }: Call): object {
		return endpoint.perform(this.account, params, id);
	}

	/** Takes the key into use; the answer comes by `finish`. An answer at once where there is nothing to wait for. */
	begin(call: Call): Answer | undefined {
		try {
			const replayed = this.#replayed(call);
			if (replayed === undefined && call.key !== undefined) this.keys.begin(call.key, call.request);
			return replayed;
		} catch (error) {
			return toAnswer(error);
		}
	}

	finish(call: Call): Answer {
		return this.#work(call);
	}

	/** The order that a request names, if it does. */
	orderOf({ endpoint, params, id }: Call): string | undefined {
		try {
			if (endpoint.name === 'create') return textOf(mapOf(params, 'metadata'), 'order_id');
			const intent = id.startsWith('pi_') ? id : (textOf(params, 'payment_intent') ?? '');
			const refund = this.account.refunds.get(id)?.intent;
			return (refund ?? this.account.intents.get(intent))?.metadata.order_id;
		} catch {
			return undefined;
		}
	}

	#count(call: Call): void {
		const { name } = call.endpoint;
		this.totals[name] = (this.totals[name] ?? 0) + 1;
		const orderId = this.orderOf(call);
		if (orderId === undefined) return;
		const counts = this.requests.get(orderId) ?? {};
		counts[name] = (counts[name] ?? 0) + 1;
		this.requests.set(orderId, counts);
	}

	#replayed(call: Call): Answer | undefined {
		this.gate.checkKey(call.authorization);
		this.gate.checkRate(call.endpoint.name);
		if (call.endpoint.method === 'GET') return undefined;
		if (call.key === undefined) throw invalid('The stand-in refuses a POST without an Idempotency-Key.');
		if (call.key.startsWith('stripe-node-retry-')) {
			throw invalid('The stand-in refuses keys that the library made: the caller has forgotten its own.');
		}
		if (call.key.length > 255) throw invalid('Idempotency keys are at most 255 characters long.');
		return this.keys.look(call.key, call.request);
	}

	#first(call: Call): Answer {
		if (call.key !== undefined) this.keys.begin(call.key, call.request);
		return this.#work(call);
	}

	#work(call: Call): Answer {
		let answer: Answer;
		let isKept = true;
		try {
			answer = { status: 200, body: JSON.stringify(this.perform(call)), headers: {} };
		} catch (error) {
			answer = toAnswer(error);
			isKept = !(error instanceof Refusal) || error.isKept;
		}
		if (call.key !== undefined) this.keys.end(call.key, isKept ? answer : null);
		return answer;
	}
}

function toAnswer(error: unknown): Answer {
	if (!(error instanceof Refusal)) throw error;
	const again = error.status === 409 || error.status === 429;
	const headers = { 'stripe-should-retry': String(again), 'stripe-version': API_VERSION };
	return { status: error.status, body: errorText(error.body), headers };
}
