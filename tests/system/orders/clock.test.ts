/** Windows keep to the database's clock, whatever the process believes the time to be. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, it } from '@jest/globals';
import { Client, type OrderView } from '../../support/client.ts';
import { collect, unfinished } from '../../support/evidence.ts';
import { violations } from '../../support/invariants.ts';
import { System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

const MINUTE = 60_000;
const WINDOW = 5_000;
/** How much later than due an order may ship on a busy machine. Five minutes are much more. */
const LATEST = 40_000;

const preload = pathToFileURL(join(import.meta.dirname, '../fixtures/shifted-clock.ts')).href;

let system: System;

afterEach(() => system.dispose(), 60_000);

it.each([
	['ahead', 5 * MINUTE],
	['behind', -5 * MINUTE],
])(
	'with the clock of the process five minutes %s',
	async (_where, shift) => {
		system = await System.create({
			...{ NODE_OPTIONS: `--import=${preload}`, CLOCK_SHIFT: String(shift) },
			...{ CANCELLATION_WINDOW: `${WINDOW}ms`, HOLD_LIMIT: '8s', LOG_LEVEL: 'info' },
		});
		const running = await system.up();
		// The clock is wrong indeed: the log's own times say so.
		const [, said = ''] = /^\[([\d:.]+)Z\]/.exec(running.lines.find((line) => line.startsWith('[')) ?? '') ?? [];
		const off = Date.parse(`${new Date(Date.now() + shift).toISOString().slice(0, 10)}T${said}Z`) - Date.now() - shift;
		expect(Math.abs(off)).toBeLessThan(MINUTE);

		const client = new Client(system.url);
		const make = async (name: string): Promise<OrderView> => {
			const { order, at, sentAt } = await client.create({ productName: name, amount: 1 }, name);
			if (order === null) throw new Error('no order');
			const created = Date.parse(order.createdAt);
			expect(created).toBeGreaterThanOrEqual(sentAt - 1);
			expect(created).toBeLessThanOrEqual(at);
			expect(Date.parse(order.pendingUntil) - created).toBe(WINDOW);
			return order;
		};
		const names = Array.from({ length: 10 }, (_, index) => `order-${index}`);
		const orders = await Promise.all(names.map(make));
		const [left, cancelled, late, held, resumed] = orders;
		const idOf = (order: OrderView | undefined): string => order?.id ?? '';
		expect(await client.command('cancel', idOf(cancelled))).toMatchObject({ status: 202 });
		expect(await client.command('hold', idOf(held))).toMatchObject({ status: 200 });
		expect(await client.command('hold', idOf(resumed))).toMatchObject({ status: 200 });
		const again = await client.command('resume', idOf(resumed));
		expect(again).toMatchObject({ status: 200, order: { status: 'Pending' } });
		expect(Date.parse(again.order?.pendingUntil ?? '') - again.at).toBeLessThanOrEqual(WINDOW);
		expect(Date.parse(again.order?.pendingUntil ?? '') - again.sentAt).toBeGreaterThanOrEqual(WINDOW - 1);

		await pause(Math.max(0, Date.parse(late?.pendingUntil ?? '') - Date.now() + 1));
		expect(await client.command('cancel', idOf(late))).toMatchObject({ status: 409, code: 'Orders.WindowClosed' });
		await until(async () => (await unfinished(system)) === 0, 'every order has ended');

		const evidence = await collect(system, client);
		expect(violations(evidence)).toEqual([]);
		const end = (order: OrderView | undefined) => evidence.orders.find(({ id }) => id === order?.id);
		expect(end(cancelled)?.status).toBe('Cancelled');
		expect(end(held)?.status).toBe('Cancelled');
		for (const order of [left, late, resumed, ...orders.slice(5)]) {
			const { status, pendingUntil, shippedAt } = end(order) ?? {};
			const lateness = Date.parse(shippedAt ?? '') - Date.parse(pendingUntil ?? '');
			expect(status).toBe('Shipped');
			expect(lateness).toBeGreaterThanOrEqual(0);
			expect(lateness).toBeLessThan(LATEST);
		}
	},
	180_000,
);
