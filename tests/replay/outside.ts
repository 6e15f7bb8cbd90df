import type { ParcelService } from '../../domain/ports.ts';
import type { PaymentOperation, PaymentProvider, PaymentRequest, ProviderOutcome } from '../../domain/provider.ts';
import type { HandOverOutcome } from '../../domain/shipment.ts';

/** What happens to a call is decided from outside: when it arrives, and whether its answer does. */
export class Ask<T = unknown> {
	readonly name: PaymentOperation | 'find' | 'hand over';
	readonly orderId: string;
	/** what the caller waits for */
	readonly answer: Promise<T>;
	readonly #work: () => Promise<T>;
	readonly #resolve: (value: T) => void;
	readonly #reject: (reason: Error) => void;
	#done: { readonly value: T } | undefined;

	constructor(name: Ask['name'], orderId: string, work: () => Promise<T>) {
		const { promise, resolve, reject } = Promise.withResolvers<T>();
		promise.catch(() => {}); // the caller may be dead
		this.name = name;
		this.orderId = orderId;
		this.answer = promise;
		this.#work = work;
		this.#resolve = resolve;
		this.#reject = reject;
	}

	/** The call arrives; its answer is kept. */
	async perform(): Promise<T> {
		this.#done ??= { value: await this.#work() };
		return this.#done.value;
	}

	/** The answer that was kept reaches the caller. */
	deliver(): void {
		if (this.#done === undefined) throw new Error(`${this.name} was not performed`);
		this.#resolve(this.#done.value);
	}

	/** The caller gets no answer. */
	lose(): void {
		this.#reject(new Error('the connection was lost'));
	}
}

/** The calls of one process, in the order in which they leave it. */
export class Asks {
	#waiting: Ask[] = [];
	#takers: ((ask: Ask) => void)[] = [];
	readonly #all: Ask[] = [];

	/** Calls that nobody has taken out of here yet. */
	get unclaimed(): readonly Ask[] {
		return this.#waiting;
	}

	begin<T>(name: Ask['name'], orderId: string, work: () => Promise<T>): Promise<T> {
		const ask = new Ask(name, orderId, work);
		this.#all.push(ask as Ask);
		const taker = this.#takers.shift();
		if (taker === undefined) this.#waiting.push(ask as Ask);
		else taker(ask as Ask);
		return ask.answer;
	}

	/** The next call that leaves the process. */
	next(): Promise<Ask> {
		const ask = this.#waiting.shift();
		return ask === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(ask);
	}

	/** Nobody waits for a call any more. */
	forgetTakers(): void {
		this.#takers = [];
	}

	loseAll(): void {
		for (const ask of this.#all) ask.lose();
	}
}

/** What has left the process arrives whenever it is let through, whether or not the caller has given up. */
const NEVER = new AbortController().signal;

/** A provider whose calls wait to be let through. */
export const heldProvider = (provider: PaymentProvider, asks: Asks): PaymentProvider => {
	const hold =
		(operation: PaymentOperation) =>
		(request: PaymentRequest): Promise<ProviderOutcome> =>
			asks.begin(operation, request.orderId, () => provider[operation](request, NEVER));
	return {
		traits: provider.traits,
		authorize: hold('authorize'),
		capture: hold('capture'),
		void: hold('void'),
		refund: (request) => provider.refund(request, NEVER),
		list: (since, until) => provider.list(since, until, NEVER),
		pageOf: (reference) => provider.pageOf(reference),
		find: (operation, request) => asks.begin('find', request.orderId, () => provider.find(operation, request, NEVER)),
	};
};

/** The same for parcels. */
export const heldParcels = (parcels: ParcelService, asks: Asks): ParcelService => ({
	handOver: (request): Promise<HandOverOutcome> =>
		asks.begin('hand over', request.orderId, () => parcels.handOver(request, NEVER)),
});
