/** Processes that leave while others go on: SHUTDOWN_DELAY, and a stop that is cut short. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Cluster, healthOf, ready } from '../../support/cluster.ts';
import { startTestDatabase } from '../../support/database.ts';
import { type Running, System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

/** A module that Node loads before the program. */
const preload = (code: string): { NODE_OPTIONS: string } => ({
	NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}`,
});

describe('a process that is told to end', () => {
	let system: System;
	beforeEach(async () => {
		system = await System.create({ METRICS_PORT: '0' });
	});
	afterEach(() => system.dispose(), 60_000);

	const order = (url: string, connection: 'close' | 'keep-alive' = 'close'): Promise<Response> =>
		fetch(`${url}/orders`, {
			method: 'POST',
			headers: { 'content-type': 'application/json', connection },
			body: JSON.stringify({ productName: 'tea', amount: 1 }),
		});

	async function leaving(running: Running, signal: NodeJS.Signals): Promise<string> {
		const { url = '' } = running;
		running.signal(signal);
		const { failing } = await until(async () => {
			const report = await healthOf(running);
			return report.httpStatus === 503 ? report : undefined;
		});
		expect(failing).toEqual([{ name: 'process', reason: 'stopping' }]);
		return url;
	}

	it('is not ready, and serves on for SHUTDOWN_DELAY unless it is told again', async () => {
		const first = await system.up({ SHUTDOWN_DELAY: '60s' });
		expect((await order(first.url ?? '', 'keep-alive')).headers.get('connection')).toBe('keep-alive');
		const url = await leaving(first, 'SIGTERM');
		const asked = await fetch(`${url}/health/ready`);
		expect([asked.status, asked.headers.get('connection')]).toEqual([503, 'close']);
		for (const connection of ['keep-alive', 'close'] as const) {
			const answer = await order(url, connection);
			expect([answer.status, answer.headers.get('connection')]).toEqual([201, 'close']);
		}
		first.signal('SIGHUP'); // a terminal that closes says nothing new
		expect((await order(url)).status).toBe(201);
		first.signal('SIGTERM');
		expect(await first.exited).toEqual({ code: 0, signal: null });

		const second = await system.up({ SHUTDOWN_DELAY: '1s' });
		const begin = performance.now();
		await leaving(second, 'SIGHUP');
		expect(await second.exited).toEqual({ code: 0, signal: null });
		expect(performance.now() - begin).toBeGreaterThan(1_000);

		const third = await system.up({ SHUTDOWN_DELAY: '60s' });
		third.signal('SIGINT'); // a person does not wait
		expect(await third.exited).toEqual({ code: 0, signal: null });
	}, 120_000);

	it('is ended after 9 s, with a reason and exit code 1, if its stop does not end', async () => {
		const hangs = 'AsyncDisposableStack.prototype.disposeAsync = () => new Promise(() => {})';
		const running = await system.up(preload(hangs));
		running.signal('SIGTERM');
		expect(await running.exited).toEqual({ code: 1, signal: null });
		expect(running.errors.at(-1)).toMatch(/^the stop was cut short after 9 s; /);
	}, 60_000);
});

await describeBroker(redis, 'two gateways behind a balancer', () => {
	it('are restarted one after the other, and no request fails', async () => {
		const [broker, database] = [await testBroker(redis), await startTestDatabase()];
		await broker.up();
		const cluster = await Cluster.create(database, broker.url, { SHUTDOWN_DELAY: '2s' });
		const ports = [await freePort(), await freePort()];
		const gateway = (port: number | undefined): Running => cluster.start('gateway', { PORT: String(port) });
		try {
			const [worker] = await cluster.up({ 'orders,outbox-relay,settlement,shipping': 1 });
			const gateways = ports.map(gateway);
			await Promise.all(gateways.map(ready));
			const balancer = new Balancer(ports);
			const answers: (number | string)[] = [];
			let done = false;
			const client = (async () => {
				while (!done) {
					answers.push(await balancer.get('/orders?limit=1'));
					await pause(5);
				}
			})();
			for (const [index, port] of ports.entries()) {
				await gateways[index]?.stop();
				gateways[index] = gateway(port);
				await until(() => gateways[index]?.url, 'it listens');
				// Whoever can connect is served.
				expect((await fetch(`http://127.0.0.1:${port}/orders?limit=1`)).status).toBe(200);
				await until(() => balancer.uses(port), 'the balancer takes it back');
			}
			// Those who call a process that leaves are served as well.
			worker?.signal('SIGTERM');
			const isLeaving = async (): Promise<boolean> =>
				worker !== undefined && (await healthOf(worker)).httpStatus === 503;
			await until(isLeaving, 'it leaves');
			const before = answers.length;
			await until(() => answers.length > before + 20);
			done = true;
			await client;
			await balancer.close();
			expect(answers.filter((answer) => answer !== 200)).toEqual([]);
			expect(answers.length).toBeGreaterThan(100);
		} finally {
			await cluster.dispose();
			await Promise.all([database.stop(), broker.dispose()]);
		}
	}, 120_000);
});

/** Sends each request to the next gateway of those that were ready when they were last asked. Tries nothing twice. */
class Balancer {
	readonly #ports: readonly number[];
	readonly #failures = new Map<number, number>();
	readonly #closing = new AbortController();
	readonly #looking: Promise<void>;
	#turn = 0;

	constructor(ports: readonly number[]) {
		this.#ports = ports;
		this.#looking = this.#look();
	}

	uses(port: number): boolean {
		return (this.#failures.get(port) ?? 0) < 2;
	}

	async get(path: string): Promise<number | string> {
		const usable = this.#ports.filter((port) => this.uses(port));
		const port = usable[this.#turn++ % usable.length];
		return fetch(`http://127.0.0.1:${port}${path}`).then(
			async (answer) => {
				await answer.arrayBuffer();
				return answer.status;
			},
			(error: Error) => `${error.message}: ${error.cause}`,
		);
	}

	close(): Promise<void> {
		this.#closing.abort();
		return this.#looking;
	}

	async #look(): Promise<void> {
		while (!this.#closing.signal.aborted) {
			await Promise.all(this.#ports.map((port) => this.#ask(port)));
			await pause(50);
		}
	}

	async #ask(port: number): Promise<void> {
		const status = await fetch(`http://127.0.0.1:${port}/health/ready`).then(
			(answer) => answer.status,
			() => 0,
		);
		this.#failures.set(port, status === 200 ? 0 : (this.#failures.get(port) ?? 0) + 1);
	}
}
