import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import autocannon from 'autocannon';
import type { Stage } from './stage.ts';

const BODY = JSON.stringify({ productName: 'A pound of tea', amount: 19.9, currency: 'USD', paymentMethod: 'card_ok' });

/** The gateway and the orders service in a process of their own, as they are deployed. */
export class Door {
	readonly #child: ReturnType<typeof spawn>;
	readonly #url: string;

	private constructor(child: ReturnType<typeof spawn>, url: string) {
		this.#child = child;
		this.#url = url;
	}

	static async open(stage: Stage): Promise<Door> {
		const env = {
			...process.env,
			DATABASE_URL: stage.url,
			DATA_DIR: `${stage.dataDir}/door`,
			PORT: '0',
			LOG_LEVEL: 'warn',
		};
		const child = spawn(process.execPath, ['bench/door.ts'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
		const lines = createInterface({ input: child.stdout });
		for await (const line of lines) {
			const url = /listens on (\S+);/.exec(line)?.[1];
			if (url !== undefined) return new Door(child, url);
		}
		throw new Error('the gateway did not start');
	}

	/** Orders accepted a second over HTTP, each with a key of its own. */
	async measure(seconds: number, connections = 64): Promise<number> {
		const result = await autocannon({
			url: `${this.#url}/orders`,
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

	async close(): Promise<void> {
		this.#child.kill('SIGTERM');
		await once(this.#child, 'exit');
	}
}
