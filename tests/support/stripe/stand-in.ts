/**
 * A stand-in for Stripe on 127.0.0.1, with a memory: PaymentIntents with manual capture, refunds, events, keys as Stripe
 * keeps them, and on demand whatever can go wrong on the way. Its rules come from Stripe's documentation.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Random } from '../random.ts';
import { Account, type AccountOptions, type Intent } from './account.ts';
import { Api } from './api.ts';
import { type BookEntry, bookOf } from './book.ts';
import { control } from './control.ts';
import { send } from './delivery.ts';
import { Faults } from './faults.ts';
import { Gate } from './gate.ts';
import { age, foreignIntent } from './intents.ts';
import { answer, MISHAPS } from './mishaps.ts';
import { settleRefund } from './refunds.ts';

export const TEST_KEY = 'sk_test_standin0123456789';

const ENDED: ReadonlySet<Intent['status']> = new Set(['canceled', 'succeeded']);

export interface StandInOptions extends AccountOptions {
	readonly keys?: readonly string[];
	/** the caller's time-out, in milliseconds: what takes longer than this is no answer; 1 s unless given */
	readonly patience?: number;
	readonly port?: number;
	/** where the length of a delay comes from */
	readonly random?: Random;
}

export class StripeStandIn {
	readonly account: Account;
	readonly gate: Gate;
	readonly faults: Faults;
	readonly api: Api;
	/** where the length of a delay comes from */
	readonly random: Random;
	readonly #server: Server;
	readonly #timers = new Set<NodeJS.Timeout>();
	#closed = false;
	#foreign: string | undefined;
	#underWay = 0;
	/** accepts, reads, and answers nobody */
	isSilent = false;

	private constructor({ keys = [TEST_KEY], patience = 1_000, random = Math.random, ...account }: StandInOptions) {
		this.account = new Account(account);
		this.gate = new Gate(keys);
		this.faults = new Faults(patience);
		this.api = new Api(this.account, this.gate);
		this.random = random;
		this.#server = createServer((req, res) => {
			this.#serve(req, res).catch((error) => {
				// A bug of the stand-in must not look like one of Stripe's faults.
				console.error('the stand-in for Stripe failed:', error);
				res.destroy();
			});
		});
	}

	static async open(options: StandInOptions = {}): Promise<StripeStandIn> {
		const standIn = new StripeStandIn(options);
		const { port = 0 } = options;
		await new Promise<void>((listening, failed) => {
			standIn.#server.once('error', failed).listen(port, '127.0.0.1', listening);
		});
		standIn.account.hooksUrl = options.hooksUrl ?? standIn.url;
		return standIn;
	}

	/** For a system whose provider it is. */
	get settings(): Readonly<Record<string, string>> {
		return { PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: TEST_KEY, STRIPE_API_BASE: this.url };
	}

	/** For `STRIPE_API_BASE`. */
	get url(): string {
		return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
	}

	/** Requests that wait for their answer, and whose caller is still there. */
	get underWay(): number {
		return this.#underWay;
	}

	/** By order id. */
	book(): Map<string, BookEntry> {
		for (const intent of this.account.intents.values()) age(this.account, intent);
		return bookOf(this.account, this.api.requests);
	}

	intentsOf(orderId: string): Intent[] {
		return [...this.account.intents.values()].filter(({ metadata }) => metadata.order_id === orderId);
	}

	/** Intents of orders that wait for something, and could still hold money. */
	waiting(): string[] {
		const ours = [...this.account.intents.values()].filter(({ metadata }) => metadata.order_id !== undefined);
		return ours.filter(({ status }) => !ENDED.has(status)).map(({ id }) => id);
	}

	/** The id of a payment of the same merchant that no order of ours has, such as another shop's. */
	foreignIntent(): string {
		this.#foreign ??= foreignIntent(this.account);
		return this.#foreign;
	}

	/** Stripe's clock goes on at once, and what ends by then ends. */
	advance(by: number): void {
		this.account.advance(by);
		for (const intent of this.account.intents.values()) age(this.account, intent);
	}

	/** What becomes of refunds that are not settled at once. */
	settleRefunds(): void {
		for (const refund of this.account.refunds.values()) settleRefund(this.account, refund);
	}

	/** Does something later, unless the stand-in is closed before. */
	readonly later = (delay: number, work: () => void): void => {
		if (this.#closed) return;
		const timer = setTimeout(() => {
			this.#timers.delete(timer);
			work();
		}, delay);
		this.#timers.add(timer);
	};

	async close(): Promise<void> {
		this.#closed = true;
		for (const timer of this.#timers) clearTimeout(timer);
		this.#server.closeAllConnections();
		await new Promise((closed) => this.#server.close(closed));
	}

	async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
		this.#underWay += 1;
		res.once('close', () => {
			this.#underWay -= 1;
		});
		res.on('error', () => {}); // the caller may be gone
		const { method = '', url = '', headers } = req;
		const body = await text(req).catch(() => undefined);
		if (body === undefined || this.isSilent) return;
		if (control(this, method, url, body, res)) return;
		const [key] = [headers['idempotency-key']].flat();
		const call = this.api.read({ method, url, body, key, authorization: headers.authorization });
		if (call === undefined) {
			const message = `Unrecognized request URL (${method}: ${url}).`;
			const error = { error: { type: 'invalid_request_error', message } };
			send(res, this.account.id('req'), { status: 404, body: JSON.stringify(error), headers: {} });
			return;
		}
		const fault = this.faults.next(call.endpoint.name);
		const mishap = fault === undefined ? answer : MISHAPS[fault];
		mishap(this, call, res);
	}
}
