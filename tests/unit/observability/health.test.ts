import { afterEach, describe, expect, it } from '@jest/globals';
import {
	encodeProblem,
	internal,
	methodNotAllowed,
	type Problem,
	routeNotFound,
} from '../../../mixins/http/problem.ts';
import { Health, LONGEST_SILENCE } from '../../../mixins/observability/health.ts';
import { type ProbeRoute, ProbeServer } from '../../../mixins/observability/probe-server.ts';
import { memoryLog } from '../../support/database.ts';

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
		health.register('sweeper', () => undefined);
		expect(await health.readiness()).toMatchObject({ ready: true, degraded });
	});
});

describe('a check that cannot be made', () => {
	it('is a finding with its reason, told once, and hides no other', async () => {
		const log = memoryLog();
		const health = new Health({ goesOnWithoutBroker: true, log });
		health.register('database', () => Promise.reject(new Error('no answer of 10.1.2.3:5432 at\npostgres://u:p@db/x')));
		health.register('slot', () => {
			throw new Error('no slot');
		});
		health.register('schema', () => 'version 1 is needed');
		health.register(
			'carrier',
			() => Promise.reject(Object.assign(new Error('x'), { errno: -111, code: 'ECONNREFUSED' })),
			'broker',
		);
		for (let asked = 0; asked < 3; asked += 1) {
			expect(await health.readiness()).toEqual({
				ready: false,
				failing: [
					{ name: 'database', reason: 'the check failed: no answer of … at …' },
					{ name: 'slot', reason: 'the check failed: no slot' },
					{ name: 'schema', reason: 'version 1 is needed' },
				],
				degraded: [{ name: 'carrier', reason: 'the check failed: ECONNREFUSED' }],
			});
		}
		expect(log.lines.filter((line) => line.includes('slot'))).toEqual(['warn the health check slot failed: no slot']);
		expect(log.lines).toHaveLength(3);
	});

	it('does not keep the others from being told', async () => {
		const health = new Health();
		health.register('hanging', () => new Promise(() => {}));
		health.register('database', () => 'away');
		expect((await health.readiness()).failing).toEqual([
			{ name: 'hanging', reason: 'the check does not answer' },
			{ name: 'database', reason: 'away' },
		]);
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
	const log = memoryLog();
	afterEach(() => server.close());

	let url = '';
	async function get(path: string, init: RequestInit = {}): Promise<[number, string, Headers]> {
		server = new ProbeServer(routes, log);
		url = await server.listen('127.0.0.1', 0);
		const response = await fetch(`${url}${path}`, init);
		return [response.status, await response.text(), response.headers];
	}

	it.each<[string, RequestInit, number, string]>([
		['/health/live', {}, 200, '{"status":"ok"}'],
		['/health/live?verbose', {}, 200, '{"status":"ok"}'],
		['/health/live/', {}, 200, '{"status":"ok"}'],
		['/health/live', { method: 'HEAD' }, 200, ''],
		['/health/ready', {}, 503, '{}'],
	])('%s %j: %d', async (path, init, status, body) => {
		const [found, text, headers] = await get(path, init);
		expect([found, text]).toEqual([status, body]);
		expect(headers.get('cache-control')).toBe('no-store');
		expect(headers.get('x-content-type-options')).toBe('nosniff');
		expect(headers.get('retry-after')).toBe(status === 503 ? '1' : null);
	});

	it.each<[string, RequestInit, Problem]>([
		['/broken', {}, internal()],
		['/', {}, routeNotFound()],
		['/health/live//', {}, routeNotFound()],
		['/health/live', { method: 'POST', body: 'x'.repeat(100_000) }, methodNotAllowed('GET, HEAD')],
	])('%s %j is refused as the gateway would', async (path, init, expected) => {
		const [found, text, headers] = await get(path, init);
		const traceId = /"traceId":"([0-9a-f]{32})"/.exec(text)?.[1] ?? '';
		expect([found, text]).toEqual([expected.status, encodeProblem(expected, traceId)]);
		expect(headers.get('content-type')).toBe('application/problem+json');
		expect(headers.get('allow')).toBe(expected.headers?.Allow ?? null);
	});

	it('says once why it could not answer, to the log alone', async () => {
		log.lines.splice(0);
		const [, text] = await get('/broken');
		await fetch(`${url}/broken`);
		expect(text).not.toContain('secret');
		expect(log.lines).toEqual(['error /broken failed: secret']);
	});

	it('says in one line that it cannot listen', async () => {
		server = new ProbeServer(routes, log);
		const { port } = new URL(await server.listen('127.0.0.1', 0));
		const second = new ProbeServer(routes, log);
		await expect(second.listen('127.0.0.1', Number(port))).rejects.toThrow(
			`METRICS_PORT cannot be listened on at 127.0.0.1:${port}: the port is in use`,
		);
		await second.close();
	});
});
