import type {
	Finding,
	PaymentOperation,
	PaymentProvider,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
	ProviderTraits,
} from '../../domain/provider.ts';
import type { Instant } from '../../domain/time.ts';
import type { SandboxProvider } from '../../mixins/providers/sandbox/provider.ts';
import type { TestDatabase } from '../support/database.ts';

export interface BankOptions {
	/** the model's clock */
	readonly now: () => number;
	/** how long it remembers a key, in ticks; 0 for ever */
	readonly keyLife: number;
	/** after how many ticks an authorisation expires; 0 never */
	readonly authLife: number;
}

/** The sandbox provider with two bad habits of real ones: it forgets keys, and its authorisations expire. */
export class Bank implements PaymentProvider {
	readonly #sandbox: SandboxProvider;
	readonly #server: TestDatabase;
	readonly #options: BankOptions;
	/** when each key was used first */
	readonly #keys = new Map<string, number>();
	readonly #expires = new Map<string, number>();

	constructor(sandbox: SandboxProvider, server: TestDatabase, options: BankOptions) {
		this.#sandbox = sandbox;
		this.#server = server;
		this.#options = options;
	}

	get traits(): ProviderTraits {
		return this.#sandbox.traits;
	}

	refund(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#sandbox.refund(request, signal);
	}

	list(since: Instant, until: Instant, signal: AbortSignal): AsyncIterable<ProviderPayment> {
		return this.#sandbox.list(since, until, signal);
	}

	pageOf(): null {
		return null;
	}

	authorize(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#perform('authorize', request, signal);
	}

	capture(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#perform('capture', request, signal);
	}

	void(request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		return this.#perform('void', request, signal);
	}

	async find(operation: ProviderOperation, request: PaymentRequest, signal: AbortSignal): Promise<Finding> {
		const found = await this.#sandbox.find(operation, request, signal);
		return operation === 'void' && found.kind === 'notDone' && this.#hasExpired(request) ? GONE : found;
	}

	async #perform(operation: PaymentOperation, request: PaymentRequest, signal: AbortSignal): Promise<ProviderOutcome> {
		const { now } = this.#options;
		const isNew = await this.#isNew(request.idempotencyKey);
		if (this.#hasExpired(request)) {
			if (operation === 'void') {
				const found = await this.#sandbox.find('void', request, signal);
				return found.kind === 'notDone' || found.kind === 'notFound' ? GONE : found;
			}
			if (operation === 'capture' && isNew) await this.#refuseCapture(request);
		}
		// The model's provider does not mark what it remembers.
		const { remembered: _, ...outcome } = await this.#sandbox[operation](request, signal);
		if (operation === 'authorize' && isNew) this.#expires.set(request.orderId, now() + this.#options.authLife);
		return outcome;
	}

	async #isNew(key: string): Promise<boolean> {
		const { keyLife } = this.#options;
		const now = this.#options.now();
		const used = this.#keys.get(key);
		if (used !== undefined && (keyLife === 0 || now < used + keyLife)) return false;
		this.#keys.set(key, now);
		await this.#server.query(
			`UPDATE sandbox_operations SET idempotency_key = idempotency_key || ' until ' || $2 WHERE idempotency_key = $1`,
			[key, String(now)],
		);
		return true;
	}

	#hasExpired({ orderId }: PaymentRequest): boolean {
		const { authLife, now } = this.#options;
		const expires = this.#expires.get(orderId);
		return authLife > 0 && expires !== undefined && now() >= expires;
	}

	async #refuseCapture({ orderId, idempotencyKey, amount }: PaymentRequest): Promise<void> {
		await this.#server.query(
			`INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			VALUES ($1, $2, 'capture', $3, 'refused')`,
			[idempotencyKey, orderId, amount.minor],
		);
	}
}

const GONE: ProviderOutcome = { kind: 'gone', reason: 'The authorisation has expired.' };
