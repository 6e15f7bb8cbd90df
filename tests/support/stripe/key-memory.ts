/** What Stripe keeps under an `Idempotency-Key`. */
import { Refusal } from './refusal.ts';

export interface Answer {
	readonly status: number;
	readonly body: string;
	readonly headers: Readonly<Record<string, string>>;
}

interface Kept {
	readonly request: string;
	/** null while the first request is under way */
	answer: Answer | null;
}

export class KeyMemory {
	readonly #kept = new Map<string, Kept>();

	/** The first answer, if there is one; throws where the key may not be used. */
	look(key: string, request: string): Answer | undefined {
		const kept = this.#kept.get(key);
		if (kept === undefined) return undefined;
		if (kept.request !== request) {
			const message = `Keys for idempotent requests can only be used for the same endpoint and parameters: ${key}`;
			throw new Refusal(400, { type: 'idempotency_error', message }, false);
		}
		if (kept.answer === null) throw inUse(key);
		return { ...kept.answer, headers: { ...kept.answer.headers, 'idempotent-replayed': 'true' } };
	}

	begin(key: string, request: string): void {
		this.#kept.set(key, { request, answer: null });
	}

	/** `null`: not kept, the key is free again. */
	end(key: string, answer: Answer | null): void {
		const kept = this.#kept.get(key);
		if (answer === null) this.#kept.delete(key);
		else if (kept !== undefined) kept.answer = answer;
	}

	/** Stripe may forget keys that are at least a day old. */
	forget(): void {
		this.#kept.clear();
	}
}

const inUse = (key: string): Refusal =>
	new Refusal(
		409,
		{
			...{ type: 'invalid_request_error', code: 'idempotency_key_in_use' },
			message: `There is currently another in-progress request using this idempotency key: ${key}`,
		},
		false,
	);
