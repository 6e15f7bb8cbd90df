/** Talks to the system over HTTP as a buyer would who does not give up, and writes down every answer with its time. */
import { setTimeout as pause } from 'node:timers/promises';

export type Command = 'cancel' | 'hold' | 'resume';

/** An order as the system shows it. */
export interface OrderView {
	readonly id: string;
	readonly productName: string;
	readonly amount: number;
	readonly currency: string;
	/** as a client sees it alone */
	readonly refundedAmount?: number;
	readonly status: string;
	readonly paymentStatus: string;
	readonly createdAt: string;
	readonly pendingUntil: string;
	readonly heldUntil: string | null;
	readonly confirmedAt: string | null;
	readonly cancelledAt: string | null;
	readonly shippedAt: string | null;
	readonly failedAt: string | null;
	readonly failureReason: string | null;
}

export interface CreateBody {
	readonly productName: string;
	readonly amount: number;
	readonly currency?: string;
	readonly cancellationWindow?: string;
	readonly paymentMethod?: string;
}

/** One request and what came of it. Times are milliseconds since 1970 by this machine's clock. */
export interface Answer {
	readonly action: 'create' | 'amend' | 'refund' | Command;
	/** the Idempotency-Key of a create or a refund */
	readonly key: string | null;
	readonly orderId: string | null;
	readonly sentAt: number;
	readonly at: number;
	/** 0: no answer at all */
	readonly status: number;
	/** the problem's code, or what went wrong with the connection */
	readonly code: string | null;
	/** as it was sent, of a create or a refund alone */
	readonly body: string | null;
	readonly replayed: boolean;
	readonly order: OrderView | null;
	/** the header of that name; of what comes over HTTP alone */
	readonly retryAfter?: string | null;
}

interface Raw {
	readonly sentAt: number;
	readonly at: number;
	readonly status: number;
	readonly text: string;
	readonly replayed: boolean;
	readonly retryAfter?: string | null;
	readonly error: string | null;
}

const ATTEMPT = 20_000;
const BETWEEN_ATTEMPTS = 60;
const LONGEST_BETWEEN = 2_000;

export class Client {
	readonly answers: Answer[] = [];
	readonly #url: () => string | undefined;
	readonly #hear: ((text: string) => void) | undefined;
	#patience: number;

	/**
	 * `url` says where the system listens at the moment; `patience` is for one request with all its repetitions. `hear` is
	 * told the body of each answer that is an error.
	 */
	constructor(url: () => string | undefined, patience = 120_000, hear?: (text: string) => void) {
		this.#url = url;
		this.#patience = patience;
		this.#hear = hear;
	}

	/** No more repetitions: the test is over, and so is the load of this client. */
	giveUp(): void {
		this.#patience = 0;
	}

	get hasGivenUp(): boolean {
		return this.#patience === 0;
	}

	create(body: CreateBody, key: string): Promise<Answer> {
		return this.#insist(() => this.#record('create', '/orders', { key, orderId: null, body }));
	}

	command(action: Command, orderId: string): Promise<Answer> {
		return this.#insist(() => this.once(action, orderId));
	}

	/** A command that is not repeated, whatever the answer. */
	once(action: Command, orderId: string): Promise<Answer> {
		return this.#record(action, `/orders/${orderId}/${action}`, { key: null, orderId, body: null });
	}

	/** The same amount is fine too: an attempt before may have lowered it. */
	amend(orderId: string, amount: number): Promise<Answer> {
		const asked = { key: null, orderId, body: { amount } };
		return this.#insist(() => this.#record('amend', `/orders/${orderId}`, asked, 'PATCH'));
	}

	refund(orderId: string, amount: number, key: string): Promise<Answer> {
		const asked = { key, orderId, body: { amount } };
		return this.#insist(() => this.#record('refund', `/orders/${orderId}/refunds`, asked));
	}

	get(orderId: string): Promise<OrderView> {
		return this.#read<OrderView>(`/orders/${orderId}`);
	}

	/** Every order there is, by the list's pages. */
	async list(): Promise<OrderView[]> {
		const orders: OrderView[] = [];
		for (let cursor: string | null = ''; cursor !== null; ) {
			const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
			const page: { data: OrderView[]; nextCursor: string | null } = await this.#read(`/orders?limit=100${more}`);
			orders.push(...page.data);
			cursor = page.nextCursor;
		}
		return orders;
	}

	async #read<T>(path: string): Promise<T> {
		const { status, text } = await this.#insist(() => this.#send('GET', path));
		if (status !== 200) throw new Error(`GET ${path}: ${status} ${text}`);
		return JSON.parse(text);
	}

	/** Again, under the same key, for as long as there is no answer that says anything. */
	async #insist<T extends { readonly status: number; readonly code?: string | null }>(
		send: () => Promise<T>,
	): Promise<T> {
		const begin = performance.now();
		for (let pauses = BETWEEN_ATTEMPTS; ; pauses = Math.min(2 * pauses, LONGEST_BETWEEN)) {
			const answer = await send();
			const { status, code } = answer;
			if (status > 0 && status < 500 && code !== 'Idempotency.InProgress') return answer;
			if (performance.now() - begin > this.#patience)
				throw new Error(`no answer in ${this.#patience} ms, the last: ${status} ${code}`);
			// Some hundred buyers who come back at once would themselves be what there is too much of.
			await pause(code === 'Service.Overloaded' ? pauses * (0.5 + Math.random()) : BETWEEN_ATTEMPTS);
		}
	}

	async #record(
		action: Answer['action'],
		path: string,
		{ key, orderId, body }: { key: string | null; orderId: string | null; body: object | null },
		method = 'POST',
	): Promise<Answer> {
		const { sentAt, at, status, text, replayed, retryAfter = null, error } = await this.#send(method, path, key, body);
		const good = status >= 200 && status < 300;
		const order: OrderView | null = good && action !== 'refund' ? JSON.parse(text) : null;
		const code: string | null = good || status === 0 ? error : codeOf(text);
		const answer: Answer = {
			...{ action, key, orderId: order?.id ?? orderId, sentAt, at, status, code },
			...{ body: (action === 'create' || action === 'refund') && good ? text : null, replayed, order, retryAfter },
		};
		this.answers.push(answer);
		return answer;
	}

	async #send(method: string, path: string, key: string | null = null, body: object | null = null): Promise<Raw> {
		const sentAt = Date.now();
		const url = this.#url();
		if (url === undefined) return { sentAt, at: sentAt, status: 0, text: '', replayed: false, error: 'nobody listens' };
		try {
			const response = await fetch(`${url}${path}`, {
				method,
				headers: {
					...(key === null ? {} : { 'idempotency-key': key }),
					...(body === null ? {} : { 'content-type': 'application/json' }),
				},
				body: body === null ? null : JSON.stringify(body),
				signal: AbortSignal.timeout(ATTEMPT),
			});
			const text = await response.text();
			if (!response.ok) this.#hear?.(text);
			const replayed = response.headers.get('idempotent-replayed') === 'true';
			const retryAfter = response.headers.get('retry-after');
			return { sentAt, at: Date.now(), status: response.status, text, replayed, retryAfter, error: null };
		} catch (error) {
			return { sentAt, at: Date.now(), status: 0, text: '', replayed: false, error: String(error) };
		}
	}
}

function codeOf(text: string): string | null {
	try {
		const problem: { code?: string } = JSON.parse(text);
		return problem.code ?? null;
	} catch {
		return text.slice(0, 100);
	}
}
