/** Stripe's webhooks, signed and sent to an endpoint: late, twice, out of order, lost, forged, for payments of others. */
import Stripe from 'stripe';
import { between, type Random } from '../random.ts';
import type { EventRow } from './account.ts';
import type { StripeStandIn } from './stand-in.ts';

/**
 * - `good`: as it should be, perhaps late, so that events overtake each other; repeated until it is answered with 2xx.
 * - `lost`: never sent. `doubled`: sent again as it is. `twin`: sent again as another event.
 * - `forged`: signed with another secret, and it lies. `stale`: signed long ago. `mode`: of the other mode.
 * - `stranger`: of a payment that nobody knows, and `foreign`: of one that has no order.
 */
export const DELIVERIES = [
	...(['good', 'lost', 'doubled', 'twin', 'forged', 'stale', 'mode', 'stranger', 'foreign'] as const),
] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** What the endpoint has to refuse. */
const BAD: ReadonlySet<Delivery> = new Set<Delivery>(['forged', 'stale', 'mode']);

export interface WebhookOptions {
	/** where the endpoint is at the moment; undefined while nobody listens */
	readonly url: () => string | undefined;
	/** the first signs; while a secret is rolled, all do */
	readonly secrets: readonly [string, ...string[]];
	readonly random: Random;
	/** the share of events that meet each of the faults */
	readonly share: number;
	/** told what the endpoint answers to those that it refuses */
	readonly hear?: (text: string) => void;
	/** the longest that an event is late, in milliseconds */
	readonly latest?: number;
}

const PATIENCE = 10_000;
const TRIES = 12;
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 5_000;
const TOO_OLD = 600;

export class Webhooks {
	/** how many deliveries there were of each kind, by the answer's status; 0 is no answer */
	readonly answers = new Map<Delivery, Record<number, number>>();
	readonly #standIn: StripeStandIn;
	readonly #options: WebhookOptions;
	#waiting = 0;

	constructor(standIn: StripeStandIn, options: WebhookOptions) {
		this.#standIn = standIn;
		this.#options = options;
		standIn.account.on('event', (event) => this.#plan(event));
	}

	/** Whether nothing is on its way any more. */
	get isIdle(): boolean {
		return this.#waiting === 0;
	}

	/** What the endpoint took though it had to refuse it, and the other way round; empty when all is well. */
	get mistakes(): string[] {
		return [...this.answers].flatMap(([kind, statuses]) =>
			Object.keys(statuses)
				.map(Number)
				.filter((status) => (BAD.has(kind) ? status !== 400 && status !== 0 && status !== 503 : status === 400))
				.map((status) => `${kind}: answered ${status}, ${statuses[status]} times`),
		);
	}

	#plan(event: EventRow): void {
		const { random, share, latest = 2_000 } = this.#options;
		const happens = (): boolean => random() < share;
		const send = (kind: Delivery, shown: object): void => {
			this.#later(happens() ? between(random, 0, latest) : 0, kind, JSON.stringify(shown), 1);
		};
		const isLost = happens();
		if (isLost) this.#note('lost', 0);
		else send('good', event);
		if (!isLost && happens()) send('doubled', event);
		if (happens()) send('twin', { ...event, id: this.#standIn.account.id('evt') });
		if (happens()) send('forged', lying(event));
		if (happens()) send('stale', event);
		if (happens()) send('mode', { ...event, livemode: !event.livemode });
		if (happens()) send('stranger', ofAnother(event, this.#standIn.account.id('pi')));
		if (happens()) send('foreign', { ...ofAnother(event, this.#standIn.foreignIntent()) });
	}

	#later(delay: number, kind: Delivery, payload: string, nth: number): void {
		this.#waiting += 1;
		this.#standIn.later(delay, () => {
			this.#send(kind, payload, nth)
				.catch(() => this.#note(kind, 0))
				.finally(() => {
					this.#waiting -= 1;
				});
		});
	}

	async #send(kind: Delivery, payload: string, nth: number): Promise<void> {
		const status = await this.#post(kind, payload).catch(() => 0);
		this.#note(kind, status);
		const isTaken = status >= 200 && status < 300;
		// Stripe goes on for three days; and nobody repeats a forgery.
		if (isTaken || BAD.has(kind) || nth >= TRIES) return;
		this.#later(Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** nth), kind, payload, nth + 1);
	}

	async #post(kind: Delivery, payload: string): Promise<number> {
		const url = this.#options.url();
		if (url === undefined) return 0;
		const response = await fetch(url, {
			method: 'POST',
			redirect: 'manual',
			headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': this.#sign(kind, payload) },
			body: payload,
			signal: AbortSignal.timeout(PATIENCE),
		});
		const text = await response.text();
		if (!response.ok) this.#options.hear?.(text);
		return response.status;
	}

	/** Stripe signs with all secrets that are valid, as several `v1`. */
	#sign(kind: Delivery, payload: string): string {
		const now = Math.floor(Date.now() / 1_000);
		const timestamp = kind === 'stale' ? now - TOO_OLD : now;
		const secrets = kind === 'forged' ? ['whsec_of_somebody_else'] : this.#options.secrets;
		const headers = secrets.map((secret) => Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }));
		const signatures = headers.map((header) => header.split(',').filter((part) => part.startsWith('v1=')));
		return [`t=${timestamp}`, ...signatures.flat()].join(',');
	}

	#note(kind: Delivery, status: number): void {
		const statuses = this.answers.get(kind) ?? {};
		statuses[status] = (statuses[status] ?? 0) + 1;
		this.answers.set(kind, statuses);
	}
}

/** The same event with an object of this id. */
const ofAnother = (event: EventRow, id: string) => ({
	...event,
	id: `${event.id}x`,
	data: { object: { ...event.data.object, id, metadata: {} } },
});

/** Says that the money was taken, or released: whatever it was not. */
function lying(event: EventRow) {
	const type = event.type === 'payment_intent.canceled' ? 'payment_intent.succeeded' : 'payment_intent.canceled';
	const status = type.endsWith('canceled') ? 'canceled' : 'succeeded';
	return { ...event, id: `${event.id}f`, type, data: { object: { ...event.data.object, status } } };
}
