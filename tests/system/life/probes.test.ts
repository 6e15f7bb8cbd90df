/** METRICS_PORT: there before anything else, and whatever is missing; with a database at another version too. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort, isListening } from '../../../bin/brokers/ports.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Cluster, healthOf, ready } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually, until } from '../../support/until.ts';

let database: TestDatabase;
let cluster: Cluster;

beforeEach(async () => {
	database = await startTestDatabase({ unmigrated: true });
}, 60_000);
afterEach(async () => {
	await cluster.dispose();
	await database.stop();
}, 60_000);

describe('a process without a broker', () => {
	it('answers for its health before its database is there, and listens for orders only when it is', async () => {
		await database.takeDown();
		cluster = await Cluster.create(database, '');
		const port = await freePort();
		const running = cluster.start('', { PORT: String(port) });
		const waiting = await until(async () => {
			const report = await healthOf(running);
			return report.failing.some(({ name }) => name === 'database') ? report : undefined;
		});
		expect(waiting).toMatchObject({ httpStatus: 503, status: 'unavailable', degraded: [] });
		expect((await fetch(`${running.probeUrl}/health/live`)).status).toBe(200);
		expect(await isListening(port)).toBe(false);
		// Whoever has no other port to ask is told in the end.
		const told = await eventually(() => fetch(`http://127.0.0.1:${port}/health/ready`));
		expect([told.status, await told.text()]).toEqual([503, expect.stringContaining('"name":"database"')]);
		await database.bringUp();
		expect(await ready(running)).toMatchObject({ status: 'ok', failing: [] });
		expect(await (await fetch(`${running.url}/health/ready`)).json()).toEqual({
			...{ status: 'ok', failing: [], degraded: [] },
		});
		expect(await running.stop()).toEqual({ code: 0, signal: null });
	}, 120_000);

	it('does not start where the port is taken, and says so in one line', async () => {
		cluster = await Cluster.create(database, '');
		const first = cluster.start('', { METRICS_PORT: '0' });
		await until(() => first.probeUrl);
		const { port } = new URL(first.probeUrl ?? '');
		const second = cluster.start('', { METRICS_PORT: port });
		expect(await second.exited).toEqual({ code: 1, signal: null });
		expect(second.lines).toEqual([`METRICS_PORT cannot be listened on at 127.0.0.1:${port}: the port is in use`]);
	}, 60_000);
});

await describeBroker(redis, 'processes of their own', () => {
	it('wait for the version of the database, not ready, and say what to run', async () => {
		const broker = await testBroker(redis);
		try {
			await broker.up();
			cluster = await Cluster.create(database, broker.url);
			const all = ['gateway', 'orders', 'outbox-relay', 'settlement', 'shipping'].map((name) => cluster.start(name));
			for (const running of all) {
				const report = await until(async () => {
					const answer = await healthOf(running);
					return answer.failing.some(({ reason }) => reason.endsWith('run: npm run migrate -- up'))
						? answer
						: undefined;
				});
				expect(report.httpStatus).toBe(503);
			}
			const migration = cluster.run('bin/migrate.ts', {}, 'up');
			expect(await migration.exited).toMatchObject({ code: 0 });
			for (const running of all) await ready(running);
		} finally {
			await cluster.dispose();
			await broker.dispose();
		}
	}, 180_000);
});
