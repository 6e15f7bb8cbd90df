/** Starts, stops and second starts of the real process, and its database's versions. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MIGRATIONS, type Migration } from '../../../mixins/database/migrations/index.ts';
import { Client } from '../../support/client.ts';
import { collect, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { isAlive, type Running, System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

const NAMES = MIGRATIONS.map(({ name }) => name);
/** Generous: it is measured, not timed. */
const FIRST_ORDER = 15_000;
const LONGEST_STOP = 10_000;

let system: System;
let client: Client;

beforeEach(async () => {
	system = await System.create({ HOLD_LIMIT: '2s' });
	client = new Client(system.url);
});

afterEach(() => system.dispose(), 60_000);

/** Milliseconds from the start of a process to the answer to its first order. */
async function firstOrder(running: Running, key: string): Promise<number> {
	const { status } = await client.create({ productName: key, amount: 1, cancellationWindow: '1s' }, key);
	expect(status).toBe(201);
	return Math.round(performance.now() - running.startedAt);
}

describe('a start', () => {
	it('takes its first order soon, from the second start on sooner, and stops without a trace', async () => {
		const times: number[] = [];
		for (const key of ['first', 'second', 'third']) {
			const running = system.start();
			times.push(await firstOrder(running, key));
			const postgres = (await system.postgresPid()) ?? 0;
			expect(isAlive(postgres)).toBe(true);
			const begin = performance.now();
			expect(await running.stop()).toEqual({ code: 0, signal: null });
			expect(performance.now() - begin).toBeLessThan(LONGEST_STOP);
			expect(running.errors).toEqual([]);
			expect([running.pid, postgres].filter(isAlive)).toEqual([]);
		}
		console.log(`from the start to the first 201: ${times.join(', ')} ms`);
		expect(Math.max(...times)).toBeLessThan(FIRST_ORDER);
	}, 120_000);

	it('on a folder in use ends with one line, and harms nobody', async () => {
		const first = await system.up();
		const second = system.run('bin/start.ts', []);
		expect(await second.exited).toMatchObject({ signal: null, code: 1 });
		expect(second.errors).toEqual([`${system.dataDir} is in use by another process`]);
		expect(await firstOrder(first, 'still-here')).toBeGreaterThan(0);
		expect(await first.stop()).toEqual({ code: 0, signal: null });
	}, 120_000);

	it.each([
		[{ PORT: 'http' }, 'PORT="http" is not understood; accepted: a whole number from 0 (any free port) to 65535'],
		[{ SERVICES: 'orders,billing' }, 'SERVICES="orders,billing" is not understood; accepted: a comma list'],
		[{ CANCELLATION_WINDOW: '10' }, 'CANCELLATION_WINDOW="10" is not understood; accepted: 1s to 7d'],
		[{ BROKER_URL: 'amqp://user:secret@host:port' }, 'BROKER_URL=(hidden) is not understood'],
		[{ AUTH: 'jwt' }, 'AUTH="jwt" lacks the keys of tokens'],
		[{ AUTH: 'jwt', AUTH_JWT_SECRET: 'a secret' }, 'AUTH_JWT_SECRET=(hidden) is too short'],
		[{ HOST: '0.0.0.0' }, 'HOST="0.0.0.0" is not loopback'],
		[{ CANCELLATION_WINDOW: '7d' }, 'CANCELLATION_WINDOW=7d and HOLD_LIMIT=2s are too long together'],
		[{ PAYMENT_PROVIDER: 'stripe' }, 'PAYMENT_PROVIDER="stripe" lacks its key; accepted: with it STRIPE_API_KEY'],
		[{ PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: 'pk_live_secret' }, 'STRIPE_API_KEY=(hidden) is not understood'],
		[
			{ PAYMENT_PROVIDER: 'stripe', STRIPE_API_KEY: 'rk_live_secret', STRIPE_API_BASE: 'http://127.0.0.1:9' },
			'STRIPE_API_BASE="http://127.0.0.1:9" is set with a live key',
		],
		[{ SERVICES: 'orders' }, 'SERVICES="orders" is a part of the services, which needs BROKER_URL and DATABASE_URL'],
	])(
		'with a wrong setting ends with one line: %j',
		async (env, line) => {
			const running = system.run('bin/start.ts', [], env);
			expect(await running.exited).toMatchObject({ signal: null, code: 1 });
			expect(running.lines).toHaveLength(1);
			expect(running.lines[0]).toContain(line);
			expect(running.lines[0]).not.toContain('secret');
			expect(await system.postgresPid()).toBeUndefined();
		},
		60_000,
	);

	it('after kill -9 takes over the PostgreSQL that was left, and the orders', async () => {
		const first = await system.up();
		await firstOrder(first, 'before');
		const postgres = await system.postgresPid();
		await first.kill();
		const second = await system.up();
		expect(await system.postgresPid()).toBe(postgres);
		expect(second.lines.join('\n')).toContain('PostgreSQL taken over');
		await firstOrder(second, 'after');
		await until(async () => (await unfinished(system)) === 0, 'every order has ended');
		const evidence = await collect(system, client);
		expect(evidence.orders.map(({ status }) => status)).toEqual(['Shipped', 'Shipped']);
		expect(violations(evidence)).toEqual([]);
		expect(await second.stop()).toEqual({ code: 0, signal: null });
		expect(isAlive(postgres ?? 0)).toBe(false);
	}, 120_000);
});

describe('SIGTERM', () => {
	it('refuses what is new, ends what is in hand, and leaves nothing running', async () => {
		// Calls to the provider that take a second, so that some are under way.
		const running = await system.up({ SANDBOX_LATENCY: '1s' });
		const postgres = (await system.postgresPid()) ?? 0;
		const url = running.url;
		let stopping = false;
		let refused = 0;
		const afterwards: number[] = [];
		const make = async (sender: number, index: number): Promise<void> => {
			const began = stopping;
			const key = `${sender}-${index}`;
			const response = await fetch(`${url}/orders`, {
				method: 'POST',
				headers: { 'content-type': 'application/json', 'idempotency-key': key },
				body: JSON.stringify({ productName: key, amount: 1, cancellationWindow: '1s' }),
			});
			const order = (await response.json()) as { id: string };
			if (response.status === 201) taken.push(order.id);
			else if (response.status === 503) refused += 1;
			else afterwards.push(response.status);
			if (began && response.status === 201) afterwards.push(201);
		};
		const taken: string[] = [];
		const buyer = async (sender: number): Promise<void> => {
			for (let index = 0; running.exit === undefined && index < 5_000; index += 1) {
				await make(sender, index).catch(() => {
					refused += 1;
				});
				await pause(5);
			}
		};
		const buyers = Array.from({ length: 16 }, (_, sender) => buyer(sender));
		await until(() => taken.length > 100);
		const begin = performance.now();
		running.signal('SIGTERM');
		await until(() => refused > 0, 'somebody is refused');
		stopping = true;
		expect(await running.exited).toEqual({ code: 0, signal: null });
		const took = Math.round(performance.now() - begin);
		await Promise.all(buyers);
		console.log(`stopped in ${took} ms under load; ${taken.length} orders taken, ${refused} refused`);
		expect(took).toBeLessThan(LONGEST_STOP);
		expect(afterwards).toEqual([]);
		expect([running.pid, postgres].filter(isAlive)).toEqual([]);

		await system.up();
		const stored = new Set((await client.list()).map(({ id }) => id));
		expect(taken.filter((id) => !stored.has(id))).toEqual([]);
		await until(async () => (await unfinished(system)) === 0, 'every order has ended', 120_000);
		expect(violations(await collect(system, client))).toEqual([]);
	}, 240_000);

	it('in the middle of a start leaves nothing running either', async () => {
		const running = system.start();
		await until(async () => (await system.postgresPid()) !== undefined);
		const postgres = (await system.postgresPid()) ?? 0;
		expect(await running.stop()).toEqual({ code: 0, signal: null });
		expect([running.pid, postgres].filter(isAlive)).toEqual([]);
		await firstOrder(system.start(), 'after');
	}, 120_000);
});

describe('the versions of the database', () => {
	async function migrate(command: string): Promise<{ code: number | null; lines: readonly string[] }> {
		const run = system.run('bin/migrate.ts', [command], { LOG_LEVEL: 'error' });
		const { code } = await run.exited;
		return { code, lines: run.lines.filter((line) => /^(up|down|applied|pending|nothing|usage)/.test(line)) };
	}

	const pending = ({ name, breaking }: Migration): string =>
		breaking === false ? `pending ${name}` : `pending ${name} breaking: ${breaking.reason}`;

	it('go up and down by hand, and say where they are, and what breaks programs that do not know it', async () => {
		expect(await migrate('status')).toEqual({ code: 0, lines: MIGRATIONS.map(pending) });
		expect(await migrate('up')).toEqual({ code: 0, lines: NAMES.map((name) => `up ${name}`) });
		expect(await migrate('up')).toEqual({ code: 0, lines: ['nothing to do'] });
		expect(await migrate('status')).toEqual({ code: 0, lines: NAMES.map((name) => `applied ${name}`) });
		const last = NAMES.at(-1);
		expect(await migrate('down')).toEqual({ code: 0, lines: [`down ${last}`] });
		const { lines } = await migrate('status');
		expect(lines.at(-1)).toBe(`pending ${last}`);
		for (const name of NAMES.slice(0, -1).reverse())
			expect(await migrate('down')).toEqual({ code: 0, lines: [`down ${name}`] });
		expect(await migrate('down')).toEqual({ code: 0, lines: ['nothing to do'] });
		expect(await migrate('sideways')).toMatchObject({ code: 1 });
		await firstOrder(system.start(), 'after');
	}, 180_000);
});
