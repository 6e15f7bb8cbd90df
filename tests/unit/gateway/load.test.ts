/** Slow clients, many clients, and more work than there is room for: on real sockets. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../../support/until.ts';
import { ID, problem, type Stage, stage, type Wire, wire } from './fixtures.ts';

const GET = `GET /orders/${ID} HTTP/1.1\r\nHost: x\r\n\r\n`;
const POST = 'POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
const LAMP = '{"productName":"Lamp","amount":12.50}';
const FEW = { most: 2, least: 2, target: 60_000 };

const PATIENT = { patience: 60_000 };

const stages: Stage[] = [];
afterEach(async () => {
	for (const one of stages.splice(0)) await one.broker.stop();
});

async function opened(...args: Parameters<typeof stage>): Promise<Stage> {
	const one = await stage(...args);
	stages.push(one);
	return one;
}

const get = (on: Stage): Promise<Response> => fetch(`${on.url}/orders/${ID}`);

/** Sends byte after byte until the other side has had enough. */
async function drip({ socket }: Wire, bytes: string): Promise<void> {
	for (const byte of bytes) {
		if (socket.destroyed || !socket.writable) return;
		socket.write(byte);
		await sleep(20);
	}
}

describe('a slow client', () => {
	it.each([
		['its header', `GET /orders HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(5_000)}`],
		['its body', `${POST}Content-Length: 10000\r\n\r\n${' '.repeat(5_000)}`],
		['chunks of its body', `${POST}Transfer-Encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(1_000)}`],
	])('that takes its time over %s is told so, and holds up nobody', async (_name, bytes) => {
		const on = await opened({ headersTimeout: 800, requestTimeout: 800 }, { load: FEW });
		const slow = Array.from({ length: 20 }, () => wire(on.port));
		const drips = slow.map((one) => drip(one, bytes));
		let left = slow.length;
		const ends = slow.map(({ closed }) => closed.finally(() => (left -= 1)));
		while (left > 0) {
			expect((await get(on)).status).toBe(200);
			await sleep(50);
		}
		for (const answer of await Promise.all(ends)) expect(answer).toMatch(/^HTTP\/1.1 408 .*Request\.Timeout/s);
		await Promise.all(drips);
		expect(on.calls.filter(({ action }) => action !== 'orders.get')).toEqual([]);
	});

	it('that never reads its answers is let go', async () => {
		const on = await opened({ silenceTimeout: 800 });
		const page = {
			data: Array.from({ length: 100 }, () => ({ id: ID, amount: '1', note: 'x'.repeat(5_000) })),
			nextCursor: null,
		};
		const again = (): unknown => {
			on.once(again);
			return page;
		};
		on.once(again);
		const { socket, closed } = wire(on.port);
		socket.pause();
		socket.write('GET /orders HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200));
		const { server } = on.broker.getLocalService('gateway') as unknown as { server: { connections: number } };
		await until(() => on.calls.length > 0);
		await until(() => server.connections === 0, 'it was let go');
		// The kernel takes some, then there is an end to it.
		expect(on.calls.length).toBeLessThan(200);
		socket.resume();
		await closed;
	});
});

it('requests of one connection are worked on one after the other, and answered in their order', async () => {
	const on = await opened({}, PATIENT);
	const releases: ((_: unknown) => void)[] = [];
	on.once(() => new Promise((resolve) => releases.push(resolve)));
	const { socket, until: received } = wire(on.port);
	socket.write(
		`${GET}GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n${POST}Content-Length: ${LAMP.length}\r\n\r\n${LAMP}`,
	);
	await until(() => releases.length === 1);
	expect((await get(on)).status).toBe(200);
	expect(on.calls.map(({ action }) => action)).toEqual(['orders.get', 'orders.get']);
	releases[0]?.({ id: ID, amount: '1.0' });
	const answers = await received('HTTP/1.1 201');
	expect(answers).toMatch(/^HTTP\/1.1 200 .*"amount":1\.0.*HTTP\/1.1 200 .*"status":"ok".*HTTP\/1.1 201 /s);
	socket.destroy();
});

describe('more connections than there is room for', () => {
	it('close the quietest that wait for their client, and never one at work', async () => {
		const on = await opened({ connections: 10 }, PATIENT);
		let release = (_: unknown): void => {};
		on.once(() => new Promise((resolve) => (release = resolve)));
		const busy = wire(on.port);
		busy.socket.write(GET);
		await until(() => on.calls.length === 1);
		const silent = Array.from({ length: 30 }, () => wire(on.port));
		for (let count = 0; count < 5; count += 1) expect((await get(on)).status).toBe(200);
		// Those who came first have gone.
		await silent[0]?.closed;
		expect(silent.filter(({ socket }) => !socket.destroyed).length).toBeLessThanOrEqual(10);
		release({ id: ID, amount: '1.0' });
		expect(await busy.until('"amount":1.0')).toMatch(/^HTTP\/1.1 200 /);
		for (const { socket } of [busy, ...silent]) socket.destroy();
	});

	it('are refused where all are at work', async () => {
		const on = await opened({ connections: 2 }, PATIENT);
		const releases: ((_: unknown) => void)[] = [];
		const busy: Wire[] = [];
		for (let count = 0; count < 2; count += 1) {
			on.once(() => new Promise((resolve) => releases.push(resolve)));
			const one = wire(on.port);
			one.socket.write(GET);
			busy.push(one);
			await until(() => releases.length === count + 1);
		}
		const late = wire(on.port);
		late.socket.write(GET);
		expect(await late.closed).toMatch(/^HTTP\/1.1 503 .*Retry-After: 1\r\nConnection: close.*Service\.Overloaded/s);
		for (const release of releases) release({ id: ID, amount: '1.0' });
		for (const one of busy) {
			expect(await one.until('"amount":1.0')).toMatch(/^HTTP\/1.1 200 /);
			one.socket.end();
		}
		expect(on.calls).toHaveLength(2);
		expect((await get(on)).status).toBe(200);
	});
});

describe('more work than there is room for', () => {
	it('is refused at once, before anything was done; health answers all the same', async () => {
		const on = await opened({}, { load: FEW, ...PATIENT });
		const releases: ((_: unknown) => void)[] = [];
		const answers: Promise<Response>[] = [];
		for (let count = 0; count < 2; count += 1) {
			on.once(() => new Promise((resolve) => releases.push(resolve)));
			answers.push(get(on));
			await until(() => releases.length === count + 1);
		}
		for (let count = 0; count < 5; count += 1) {
			const res = await get(on);
			expect(res.headers.get('retry-after')).toBe('1');
			await problem(res, 503, 'Service.Overloaded');
		}
		expect((await fetch(`${on.url}/health/ready`)).status).toBe(200);
		await problem(await fetch(`${on.url}/nothing`), 404, 'Route.NotFound');
		expect(on.calls).toHaveLength(2);
		for (const release of releases) release({ id: ID, amount: '1.0' });
		for (const answer of answers) expect((await answer).status).toBe(200);
		expect((await get(on)).status).toBe(200);
	});

	it('a place is kept for commands on orders that exist', async () => {
		const on = await opened({}, { load: { most: 10, least: 10, target: 60_000 }, ...PATIENT });
		const releases: ((_: unknown) => void)[] = [];
		const answers: Promise<Response>[] = [];
		for (let count = 0; count < 9; count += 1) {
			on.once(() => new Promise((resolve) => releases.push(resolve)));
			answers.push(get(on));
			await until(() => releases.length === count + 1);
		}
		const init = { method: 'POST', body: LAMP, headers: { 'content-type': 'application/json' } };
		await problem(await fetch(`${on.url}/orders`, init), 503, 'Service.Overloaded');
		await problem(await fetch(`${on.url}/orders`), 503, 'Service.Overloaded');
		expect((await fetch(`${on.url}/orders/${ID}/cancel`, { method: 'POST' })).status).toBe(202);
		for (const release of releases) release({ id: ID, amount: '1.0' });
		await Promise.all(answers);
	});

	it('is also what waits at the door for a database that is slow', async () => {
		let answer = (_: unknown): void => {};
		const asked = new Promise((resolve) => (answer = resolve));
		const slow = { query: () => asked as Promise<never[]> };
		const auth = { kind: 'off', host: '0.0.0.0' } as const;
		const access = { auth, rateLimit: { requests: 30, per: 60_000 }, trustProxy: [] } as const;
		const on = await opened({}, { load: FEW, access, database: slow, ...PATIENT });
		const waiting = [get(on), get(on)];
		const { load } = on.broker.getLocalService('gateway') as unknown as { load: { atWork: number } };
		await until(() => load.atWork === 2, 'both wait at the door');
		for (let count = 0; count < 3; count += 1) await problem(await get(on), 503, 'Service.Overloaded');
		expect(on.calls).toEqual([]);
		answer([{ client: 'address 127.0.0.1', granted: 2, wait: 0 }]);
		for (const res of await Promise.all(waiting)) expect(res.status).toBe(200);
		expect((await get(on)).status).toBe(200);
	});

	it('a place is given back by whoever fails, hangs, or goes away', async () => {
		const on = await opened({}, { load: FEW });
		for (let count = 0; count < 4; count += 1) {
			on.once(() => Promise.reject(new Error('a bug')));
			expect((await get(on)).status).toBe(500);
			// The broker of these tests gives up after 400 ms.
			on.once(() => new Promise(() => {}));
			expect((await get(on)).status).toBe(503);
			let isCalled = false;
			on.once(async () => {
				isCalled = true;
				await sleep(50);
				return { id: ID, amount: '1.0' };
			});
			const gone = wire(on.port);
			gone.socket.write(GET);
			await until(() => isCalled);
			gone.socket.destroy();
		}
		await until(async () => (await get(on)).status === 200, 'there is room');
		const { load } = on.broker.getLocalService('gateway') as unknown as { load: { atWork: number } };
		await until(() => load.atWork === 0, 'all places are free');
	});
});
