import { afterEach, describe, expect, it } from '@jest/globals';
import { Health, LONGEST_SILENCE } from '../../mixins/health.ts';
import { type ProbeRoute, ProbeServer } from '../../mixins/probe-server.ts';
import {
	encodeProblem,
	internal,
	methodNotAllowed,
	type Problem,
	routeNotFound,
} from '../../services/gateway/problem.ts';

describe('readiness', () => {
	const silent = { sinceLastBeat: LONGEST_SILENCE + 5_000 };

	it('is there while nothing complains', async () => {
		const health = new Health();
		health.register('database', () => undefined);
		health.watch('relay', { sinceLastBeat: 10 }, 'broker');
		expect(await health.readiness()).toEqual({ ready: true, failing: [], degraded: [] });
	});

	it('is lost by whatever the process needs', async () => {
		const health = new Health();
		health.register('database', async () => 'away');
		health.watch('consumer', silent, 'broker');
		expect(await health.readiness()).toEqual({
			ready: false,
			failing: [
				{ name: 'database', reason: 'away' },
				{ name: 'consumer', reason: 'no sign of life for 25 s' },
			],
			degraded: [],
		});
	});

	it('is not lost with the broker where the process goes on without', async () => {
		const health = new Health({ goesOnWithoutBroker: true });
		health.register('transporter', () => 'away', 'broker');
		health.watch('consumer', silent, 'broker');
		const degraded = [
			{ name: 'transporter', reason: 'away' },
			{ name: 'consumer', reason: 'no sign of life for 25 s' },
		];
		expect(await health.readiness()).toEqual({ ready: true, failing: [], degraded });
		health.watch('sweeper', silent);
		expect(await health.readiness()).toMatchObject({ ready: false, degraded });
		health.remove('sweeper');
		expect(await health.readiness()).toMatchObject({ ready: true, degraded });
	});
});

describe('the probe server', () => {
	let server: ProbeServer;
	const json = (body: string, status = 200) => ({ status, type: 'application/json', body });
	const routes = new Map<string, ProbeRoute>([
		['/health/live', () => json('{"status":"ok"}')],
		['/health/ready', async () => json('{}', 503)],
		['/broken', () => Promise.reject(new Error('secret'))],
	]);
	afterEach(() => server.close());

	async function get(path: string, init: RequestInit = {}): Promise<[number, string, Headers]> {
		server = new ProbeServer(routes);
		const url = await server.listen('127.0.0.1', 0);
		const response = await fetch(`${url}${path}`, init);
		return [response.status, await response.text(), response.headers];
	}

	it.each<[string, RequestInit, number, string]>([
		['/health/live', {}, 200, '{"status":"ok"}'],
		['/health/live?verbose', {}, 200, '{"status":"ok"}'],
		['/health/live', { method: 'HEAD' }, 200, ''],
		['/health/ready', {}, 503, '{}'],
	])('%s %j: %d', async (path, init, status, body) => {
		const [found, text, headers] = await get(path, init);
		expect([found, text]).toEqual([status, body]);
		expect(headers.get('cache-control')).toBe('no-store');
		expect(headers.get('retry-after')).toBe(status === 503 ? '1' : null);
	});

	it.each<[string, RequestInit, Problem]>([
		['/broken', {}, internal()],
		['/', {}, routeNotFound()],
		['/health/live/', {}, routeNotFound()],
		['/health/live', { method: 'POST', body: 'x'.repeat(100_000) }, methodNotAllowed('GET, HEAD')],
	])('%s %j is refused as the gateway would', async (path, init, expected) => {
		const [found, text, headers] = await get(path, init);
		const traceId = /"traceId":"([0-9a-f]{32})"/.exec(text)?.[1] ?? '';
		expect([found, text]).toEqual([expected.status, encodeProblem(expected, traceId)]);
		expect(headers.get('content-type')).toBe('application/problem+json');
		expect(headers.get('allow')).toBe(expected.headers?.Allow ?? null);
	});

	it('says in one line that it cannot listen', async () => {
		server = new ProbeServer(routes);
		const { port } = new URL(await server.listen('127.0.0.1', 0));
		const second = new ProbeServer(routes);
		await expect(second.listen('127.0.0.1', Number(port))).rejects.toThrow(
			`METRICS_PORT cannot be listened on at 127.0.0.1:${port}: the port is in use`,
		);
		await second.close();
	});
});
