/** What a process prints: with `LOG_FORMAT=json` objects alone, one line for each change of an order's state, no secret. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { SECRET, secretToken } from '../../support/issuer.ts';
import { type Running, System } from '../../support/process.ts';
import { until } from '../../support/until.ts';

interface Line {
	readonly time: string;
	readonly level: string;
	readonly msg: string;
	readonly orderId?: string;
	readonly traceId?: string;
	readonly from?: string | null;
	readonly to?: string;
}

let system: System;
beforeAll(async () => {
	system = await System.create({ CANCELLATION_WINDOW: '1s', METRICS_PORT: '0' });
});
afterAll(() => system.dispose());

const read = ({ lines }: Running): Line[] => lines.map((line) => JSON.parse(line) as Line);

it('every line is an object, from the first to the last; each change of an order is one', async () => {
	const headers = { authorization: `Bearer ${await secretToken({ sub: 'alice' })}` };
	const running = system.start({ LOG_FORMAT: 'json', AUTH: 'jwt', AUTH_JWT_SECRET: SECRET });
	const greeting = await until(() => read(running).find(({ msg }) => msg.includes('listens on')), 'it listens');
	expect(greeting).toMatchObject({ level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/) });
	const url = /http:\/\/[^;]+/.exec(greeting.msg)?.[0];
	const res = await fetch(`${url}/orders`, {
		method: 'POST',
		headers: { ...headers, 'content-type': 'application/json' },
		body: JSON.stringify({ productName: 'Tea', amount: 1, paymentMethod: 'card_ok' }),
	});
	const traceId = res.headers.get('x-request-id');
	const { id } = (await res.json()) as { id: string };
	const changes = await until(() => {
		const found = read(running).filter(({ orderId, to }) => orderId === id && to !== undefined);
		return found.some(({ to }) => to === 'Shipped') ? found : undefined;
	}, 'it has shipped');
	expect(changes).toMatchObject([
		{ level: 'info', msg: `order ${id}: new → Pending`, from: null, to: 'Pending', traceId },
		{ from: 'Pending', to: 'Confirmed', traceId },
		{ from: 'Confirmed', to: 'Shipped', traceId },
	]);
	expect(await running.stop()).toMatchObject({ code: 0 });
	expect(read(running).every(({ time, level, msg }) => time && level && typeof msg === 'string')).toBe(true);
	expect(running.lines.join('\n')).not.toMatch(new RegExp(`${SECRET}|card_ok|Bearer|postgres://`));
}, 120_000);

it('what ends a start is one object too', async () => {
	const running = system.start({ LOG_FORMAT: 'json', RETENTION: 'long' });
	expect((await running.exited).code).toBe(1);
	expect(read(running)).toMatchObject([{ level: 'fatal', msg: expect.stringMatching(/^RETENTION="long" is not/) }]);
});

it('as text a change is one line, and none at LOG_LEVEL=warn', async () => {
	const running = await system.up();
	const client = new Client(system.url);
	await client.create({ productName: 'Tea', amount: 1 }, 'as-text');
	const change = /^\[[\d:.]+Z\] INFO {2}ORDERS: order [0-9a-f-]{36}: new → Pending \(trace [0-9a-f]{32}\)$/;
	await until(
		() => running.lines.some((line) => change.test(line)),
		() => running.lines.slice(-15).join('\n'),
	);
	await running.stop();
	const silent = await system.up({ LOG_LEVEL: 'warn' });
	const other = await client.create({ productName: 'Tea', amount: 1 }, 'in-silence');
	await until(async () => (await client.get(other.orderId ?? '')).status === 'Shipped');
	expect(silent.lines.filter((line) => line.includes('→'))).toEqual([]);
}, 120_000);
