/** Buyers who place orders, change their minds and insist on an answer, for as long as a test wants them. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client, CreateBody, OrderView } from './client.ts';
import { between, pick, type Random } from './random.ts';

export interface LoadOptions {
	readonly random: Random;
	/** new orders a second; while nobody answers they pile up, never more than `most` at once */
	readonly perSecond: number;
	readonly most?: number;
	/** the longest window in ms; the shortest is a second */
	readonly longestWindow?: number;
	/** what the buyers pay with; the sandbox's cards unless given */
	readonly cards?: readonly [string, ...string[]];
	/** an amount, and its currency unless that is the default */
	readonly price?: (random: Random) => Pick<CreateBody, 'amount' | 'currency'>;
	/** no more orders than this */
	readonly total?: number;
}

const TICK = 50;
const CARDS: readonly [string, ...string[]] = [
	...(['card_ok', 'card_ok', 'card_ok', 'card_flaky', 'card_declined', 'card_capture_refused'] as const),
];
const inCents = (random: Random): Pick<CreateBody, 'amount'> => ({ amount: between(random, 1, 1_000_000) / 100 });
const SAME_REQUEST_TWICE = 0.1;

/** What a buyer does with an order; `wait` passes time from the order's creation on. */
type Plan = (client: Client, order: OrderView, wait: (from: number, to: number) => Promise<void>) => Promise<unknown>;

/** Half of the amount, in the decimals that it has. */
function half({ amount }: OrderView): number {
	const unit = 10 ** (String(amount).split('.')[1] ?? '').length;
	return Math.ceil((amount * unit) / 2) / unit;
}

/** As parts of the window: 1 is the due moment. */
const PLANS: readonly [Plan, ...Plan[]] = [
	async () => {},
	async () => {},
	async () => {},
	async (client, { id }, wait) => {
		await wait(0, 0.2); // into the authorisation
		return client.command('cancel', id);
	},
	async (client, { id }, wait) => {
		await wait(0, 1.1);
		return client.command('cancel', id);
	},
	async (client, { id }, wait) => {
		await wait(0.9, 1.1);
		await client.command('cancel', id);
		return client.command('cancel', id);
	},
	async (client, { id }, wait) => {
		await wait(0, 1.05);
		return client.command('hold', id); // and left to the hold limit
	},
	async (client, { id }, wait) => {
		await wait(0, 0.9);
		await client.command('hold', id);
		await wait(0, 0.8);
		return client.command('resume', id);
	},
	async (client, { id }, wait) => {
		await wait(0, 1);
		await client.command('hold', id);
		await wait(0, 0.5);
		return client.command('cancel', id);
	},
	async (client, order, wait) => {
		await wait(0, 1.1);
		return client.amend(order.id, half(order));
	},
	async (client, order, wait) => {
		const refund = (part: number) => client.refund(order.id, half(order), `${order.id}-${part}`);
		await wait(1, 1.2);
		// Until it has shipped; some never do.
		for (let tries = 0; tries < 8 && (await refund(1)).code === 'Orders.InvalidState'; tries += 1) await wait(0.1, 0.5);
		return Promise.all([1, 2, 3, 3].map(refund)); // two parts are all there is
	},
];

export class Load {
	readonly #client: Client;
	readonly #options: LoadOptions;
	readonly #run = `run-${process.pid}-${Date.now().toString(36)}`;
	readonly #failures: unknown[] = [];
	readonly #ticking: Promise<void>;
	#active = 0;
	#stories: Promise<void>[] = [];
	#count = 0;
	#stopping = false;

	constructor(client: Client, options: LoadOptions) {
		this.#client = client;
		this.#options = options;
		this.#ticking = this.#tick();
	}

	/** How many orders were asked for. */
	get count(): number {
		return this.#count;
	}

	/** No more orders; resolves when every buyer has said what he had to say, and throws if one got a strange answer. */
	async stop(): Promise<void> {
		this.#stopping = true;
		await this.#ticking;
		await Promise.all(this.#stories);
		const [first] = this.#failures;
		if (first !== undefined) throw new Error(`${this.#failures.length} buyers fail, the first: ${first}`);
	}

	async #tick(): Promise<void> {
		const { perSecond, most = 300, total = Number.POSITIVE_INFINITY } = this.#options;
		for (let owed = 0; !this.#stopping && !this.#client.hasGivenUp; owed += (perSecond * TICK) / 1_000) {
			for (; owed >= 1; owed -= 1) {
				if (this.#active < most && this.#count < total) this.#begin();
			}
			await pause(TICK);
		}
	}

	#begin(): void {
		this.#active += 1;
		const story = this.#story()
			.catch((error) => void this.#failures.push(error))
			.finally(() => {
				this.#active -= 1;
			});
		this.#stories.push(story);
	}

	async #story(): Promise<void> {
		const { random, longestWindow = 2_000, cards = CARDS, price = inCents } = this.#options;
		const client = this.#client;
		this.#count += 1;
		const key = `${this.#run}-${this.#count}`;
		const window = between(random, 1_000, longestWindow + 1);
		const body: CreateBody = {
			productName: key,
			...price(random),
			cancellationWindow: `${window}ms`,
			paymentMethod: pick(random, cards),
		};
		const plan = pick(random, PLANS);
		const twice = random() < SAME_REQUEST_TWICE;
		const [answer] = await Promise.all([client.create(body, key), ...(twice ? [client.create(body, key)] : [])]);
		if (answer?.status !== 201 || answer.order === null)
			throw new Error(`a good order was answered ${answer?.status} ${answer?.code}`);
		const wait = (from: number, to: number): Promise<void> => pause((from + random() * (to - from)) * window);
		await plan(client, answer.order, wait);
	}
}
