/** An HTTP server on this machine that answers as the test says, and remembers what it was asked. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { PaymentRequest } from '../../../../domain/provider.ts';
import { StripeProvider } from '../../../../mixins/providers/stripe/index.ts';

export interface Asked {
	readonly method: string;
	readonly path: string;
	readonly query: URLSearchParams;
	readonly form: Readonly<Record<string, string>>;
	readonly headers: IncomingHttpHeaders;
}

export interface Answer {
	readonly status?: number;
	readonly headers?: Readonly<Record<string, string>>;
	readonly body: unknown;
}

type Script = (asked: Asked, response: ServerResponse) => Answer | undefined;

export const KEY = 'sk_test_51AbcDefGhiJkl';

export class ScriptedStripe {
	readonly asked: Asked[] = [];
	/** connections whose client went away before it had its answer */
	cut = 0;
	script: Script = () => undefined;
	readonly #server: Server;

	constructor() {
		this.#server = createServer(async (request, response) => {
			const { method = '', url = '', headers } = request;
			const { pathname: path, searchParams: query } = new URL(url, 'http://localhost');
			response.on('close', () => {
				if (!response.writableFinished) this.cut += 1;
			});
			const form = Object.fromEntries(new URLSearchParams(await text(request)));
			const asked = { method, path, query, form, headers };
			this.asked.push(asked);
			const answer = this.script(asked, response);
			if (answer === undefined) return;
			const body = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
			response.writeHead(answer.status ?? 200, { 'Request-Id': 'req_1', ...answer.headers }).end(body);
		});
	}

	async listen(): Promise<void> {
		await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
	}

	async close(): Promise<void> {
		this.#server.closeAllConnections();
		await new Promise((resolve) => this.#server.close(resolve));
	}

	get port(): number {
		return (this.#server.address() as AddressInfo).port;
	}

	provider({ timeout = 5_000, callsPerSecond = 1_000 } = {}): StripeProvider {
		const apiBase = { protocol: 'http', host: '127.0.0.1', port: this.port } as const;
		const settings = { apiKey: KEY, isLive: false, apiBase, webhookSecrets: [], callsPerSecond };
		return new StripeProvider(settings, timeout);
	}
}

export const ORDER = '0199e0a0-0000-7000-8000-000000000001';

export const request = (changes: Partial<PaymentRequest> = {}): PaymentRequest => ({
	...{ orderId: ORDER, idempotencyKey: `${ORDER}:authorize`, keyUsedAt: 1_800_000_000_000, version: 1 },
	...{ amount: { minor: 1050n, currency: 'USD' }, paymentMethod: 'pm_card_visa', reference: null, refund: null },
	...changes,
});

/** A PaymentIntent as Stripe shows it, as far as it is looked at. */
export const intent = (status: string, changes: object = {}) => ({
	...{ id: 'pi_1', object: 'payment_intent', status, amount: 1050, amount_capturable: 0, amount_received: 0 },
	...{ cancellation_reason: null, client_secret: 'pi_1_secret_xyz', created: 1_800_000_000, currency: 'usd' },
	...{ last_payment_error: null, latest_charge: null, metadata: { order_id: ORDER }, next_action: null },
	...changes,
});

export const charge = (changes: object = {}) => ({
	...{ id: 'ch_1', object: 'charge', amount: 1050, amount_captured: 0, amount_refunded: 0, created: 1_800_000_001 },
	...changes,
});
