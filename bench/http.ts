import { randomUUID } from 'node:crypto';
import autocannon from 'autocannon';
import { type Served, serve } from './process.ts';
import type { Stage } from './stage.ts';

const BODY = JSON.stringify({ productName: 'A pound of tea', amount: 19.9, currency: 'USD', paymentMethod: 'card_ok' });

/** The gateway and the orders service in a process of their own, as they are deployed. */
export class Door {
	readonly #served: Served;

	private constructor(served: Served) {
		this.#served = served;
	}

	static async open(stage: Stage): Promise<Door> {
		return new Door(await serve('bench/door.ts', stage));
	}

	/** Orders accepted a second over HTTP, each with a key of its own. */
	async measure(seconds: number, connections = 64): Promise<number> {
		const result = await autocannon({
			url: `${this.#served.url}/orders`,
			connections,
			duration: seconds,
			requests: [
				{
					method: 'POST',
					setupRequest: (request) => ({
						...request,
						headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
						body: BODY,
					}),
				},
			],
		});
		if (result.non2xx > 0 || result.errors > 0) throw new Error(`${result.non2xx} refused, ${result.errors} broken`);
		return result['2xx'] / result.duration;
	}

	close(): Promise<void> {
		return this.#served.close();
	}
}
