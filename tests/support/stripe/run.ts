/** The stand-in for Stripe as the bank of a run: faults at random, buyers who answer their bank or do not, and in the end the books are compared. */
import type { Bank } from '../bank.ts';
import type { CreateBody, OrderView } from '../client.ts';
import type { Evidence, Operation } from '../evidence.ts';
import type { Exit } from '../process.ts';
import { between, pick, type Random, seeded } from '../random.ts';
import type { BookEntry } from './book.ts';
import type { Fault } from './faults.ts';
import { type Authentication, authenticate } from './intents.ts';
import { StripeStandIn, TEST_KEY } from './stand-in.ts';
import { Webhooks } from './webhooks.ts';

const WEBHOOK_SECRETS = ['whsec_standin_new_7Yq', 'whsec_standin_old_2Kp'] as const;
/** Several questions have to fit into it, on a busy machine too. */
const PATIENCE = 2_000;

const CARDS: readonly [string, ...string[]] = [
	...(['pm_card_visa', 'pm_card_visa', 'pm_card_mastercard', 'pm_card_visa_chargeDeclined'] as const),
	...(['pm_card_authenticationRequired', 'pm_card_threeDSecure2Required', 'pm_standin_captureRefused'] as const),
];

/** What buyers answer their bank; null: nothing. The last one fails, and then tries another card in the browser. */
const ANSWERS: readonly [readonly Authentication[], ...(readonly Authentication[])[]] = [
	...([['succeeded'], ['succeeded'], ['succeeded'], ['failed'], ['declined'], [], ['failed', 'succeeded']] as const),
];

/** How Stripe writes one major unit, and how many decimals ISO 4217 gives. */
const UNITS: Readonly<Record<string, readonly [stripe: number, iso: number]>> = {
	...{ USD: [100, 100], EUR: [100, 100], JPY: [1, 1], KWD: [1_000, 1_000], ISK: [100, 1], MGA: [1, 100] },
};

/** Amounts that Stripe takes, of each kind of currency, large enough that half of them is one too. */
function price(random: Random): Pick<CreateBody, 'amount' | 'currency'> {
	const currency = pick(random, ['USD', 'USD', 'EUR', 'JPY', 'KWD', 'ISK', 'MGA'] as const);
	const whole = between(random, 500, 9_000);
	if (currency === 'USD' || currency === 'EUR') return { currency, amount: (whole + 100) / 100 };
	// Half of these is still one that Stripe takes: no decimals, or at most two.
	return { currency, amount: currency === 'KWD' ? whole / 10 : whole * 2 };
}

export interface StripeRunOptions {
	readonly seed: number;
	/** the share of requests that meet a fault */
	readonly share: number;
	readonly kinds?: readonly Fault[];
	/** Stripe's limit, as requests a second to one endpoint */
	readonly limit?: number;
	/** whether Stripe tells the system what has happened; all has to end without it, too */
	readonly tells?: boolean;
}

export interface StripeFigures {
	readonly faults: Readonly<Record<string, number>>;
	readonly totals: Readonly<Record<string, number>>;
	/** requests that named an order, of all orders and of the one with most */
	readonly requestsPerOrder: number;
	readonly most: number;
	readonly webhooks: Readonly<Record<string, Readonly<Record<number, number>>>>;
	/** how many lines were searched for secrets */
	readonly lines: number;
}

export class StripeBank implements Bank {
	readonly standIn: StripeStandIn;
	readonly env: Bank['env'];
	readonly load: Bank['load'] = { cards: CARDS, price };
	readonly #random: Random;
	readonly #told: string[] = [];
	#webhooks: Webhooks | undefined;
	readonly #tells: boolean;
	#lines = 0;

	private constructor(standIn: StripeStandIn, random: Random, tells: boolean) {
		this.#tells = tells;
		this.standIn = standIn;
		this.#random = random;
		this.env = {
			...{ PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: TEST_KEY, STRIPE_API_BASE: standIn.url },
			...{ STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRETS[1], STRIPE_CALLS_PER_SECOND: '100' },
			PROVIDER_TIMEOUT: `${PATIENCE}ms`,
		};
		standIn.account.on('event', ({ type, data }) => {
			if (type === 'payment_intent.requires_action') this.#answer(data.object.id);
		});
	}

	static async open({ seed, share, kinds, limit, tells = true }: StripeRunOptions): Promise<StripeBank> {
		const random = seeded(seed);
		const standIn = await StripeStandIn.open({ patience: PATIENCE, random });
		standIn.faults.atRandom({ random, share, ...(kinds === undefined ? {} : { kinds }) });
		if (limit !== undefined) standIn.gate.limit = limit;
		return new StripeBank(standIn, random, tells);
	}

	/** Secrets must not be printed or told, whatever happens. */
	readonly hear = (line: string): void => {
		this.#lines += 1;
		const found = SECRETS.exec(line)?.[0];
		if (found !== undefined && this.#told.length < 5) this.#told.push(`told ${found}: ${line.slice(0, 300)}`);
	};

	opens(url: () => string | undefined): void {
		if (!this.#tells) return;
		this.#webhooks = new Webhooks(this.standIn, {
			url: () => {
				const base = url();
				return base === undefined ? undefined : `${base}/webhooks/stripe`;
			},
			...{ secrets: WEBHOOK_SECRETS, random: this.#random, share: 0.15, hear: this.hear },
		});
	}

	async settle(run: (entry: string, ...args: string[]) => Promise<Exit>): Promise<void> {
		this.standIn.faults.atRandom(undefined);
		this.standIn.gate.restore();
		// Twice: what the first one mends, the second one no longer finds.
		for (let nth = 0; nth < 2; nth += 1) {
			const { code } = await run('bin/reconcile.ts');
			if (code !== 0) this.#told.push(`npm run reconcile ended with ${code}`);
		}
	}

	evidence(): Pick<Evidence, 'operations'> {
		const operations = this.standIn.account.moves.flatMap((move): Operation[] => {
			const { orderId, deed, outcome, at, amount, currency } = move;
			if (orderId === null) return [];
			const [stripe, iso] = UNITS[currency.toUpperCase()] ?? [1, 1];
			return [{ orderId, operation: deed, outcome, createdAt: at, amount: (amount * iso) / stripe }];
		});
		return { operations };
	}

	complaints({ orders, payments, history }: Evidence): string[] {
		const book = this.standIn.book();
		const known = new Set(orders.map(({ id }) => id));
		const strangers = [...book.keys()].filter((id) => !known.has(id));
		const unknown = payments.filter(({ status }) => status === 'Unknown' || status === 'ActionRequired');
		const told = JSON.stringify(history);
		return [
			...this.#told,
			...(SECRETS.test(told) ? [`the history tells ${SECRETS.exec(told)?.[0]}`] : []),
			...strangers.map((id) => `Stripe has an order ${id} that we do not know`),
			...unknown.map(({ orderId, status }) => `order ${orderId}: the payment is ${status}`),
			...orders.flatMap((order) => compare(order, book.get(order.id))),
			...this.standIn.waiting().map((id) => `the intent ${id} could still take money`),
			...(this.#webhooks?.mistakes ?? []),
		];
	}

	close(): Promise<void> {
		return this.standIn.close();
	}

	get figures(): StripeFigures {
		const counts = [...this.standIn.book().values()].map(({ requests }) =>
			Object.values(requests).reduce((sum, count) => sum + count, 0),
		);
		return {
			...{ faults: this.standIn.faults.counts, totals: this.standIn.api.totals, lines: this.#lines },
			requestsPerOrder: counts.reduce((sum, count) => sum + count, 0) / Math.max(1, counts.length),
			...{ most: Math.max(0, ...counts), webhooks: Object.fromEntries(this.#webhooks?.answers ?? []) },
		};
	}

	/** The buyer of an intent that waits for one. */
	#answer(id: string): void {
		const answers = pick(this.#random, ANSWERS);
		let delay = 0;
		for (const outcome of answers) {
			delay += between(this.#random, 0, 2_500);
			this.standIn.later(delay, () => void authenticate(this.standIn.account, id, outcome));
		}
	}
}

/** The key, a buyer's own secret, the token of a card, a signing secret. */
const SECRETS = /sk_test_standin\w*|pi_\w+_secret_\w+|\bpm_(?:card|standin)_\w+|whsec_\w+/;

/** Where our order and Stripe's book do not agree to the cent. */
function compare(
	{ id, status, amount, refundedAmount = 0, currency }: OrderView,
	entry: BookEntry | undefined,
): string[] {
	const [stripe] = UNITS[currency] ?? [Number.NaN];
	const { captured = 0, refunded = 0, held = 0, intents = [], requests = {} } = entry ?? {};
	const due = status === 'Shipped' ? Math.round(amount * stripe) - Math.round(refundedAmount * stripe) : 0;
	const asked = Object.values(requests).reduce((sum, count) => sum + count, 0);
	const problems = [
		captured - refunded !== due && `Stripe has ${captured - refunded} of it, and it should be ${due}`,
		held !== 0 && `Stripe still holds ${held}`,
		intents.length > 1 && `Stripe has ${intents.length} intents of it`,
		asked > MOST_REQUESTS && `Stripe was asked ${asked} times: ${JSON.stringify(requests)}`,
	];
	return problems.flatMap((problem) => (problem === false ? [] : [`order ${id} (${status}): ${problem}`]));
}

/** More than that for one order is a loop. */
const MOST_REQUESTS = 60;
