/** Servers that take connections and never say a word: every command gives up, says on whom, and does not end with 0. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { testBroker } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { isAlive, System } from '../../support/process.ts';
import { runRepl } from '../../support/repl.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';

let silent: Server;
let system: System;
let port: number;
beforeAll(async () => {
	silent = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
	await once(silent, 'listening');
	port = (silent.address() as AddressInfo).port;
	system = await System.create();
});
afterAll(async () => {
	await system.dispose();
	silent.close();
});

it('npm run migrate, npm run repl and a start that is told to end give up on a silent database and a silent broker', async () => {
	const DATABASE_URL = `postgres://shop:secret@127.0.0.1:${port}/shop`;
	const BROKER_URL = `redis://127.0.0.1:${port}`;
	const start = system.start({ DATABASE_URL, BROKER_URL, METRICS_PORT: '0' });
	const migrations = ['up', 'status'].map((command) => system.run('bin/migrate.ts', [command], { DATABASE_URL }));
	const session = await runRepl({ DATABASE_URL, BROKER_URL }, 'call outbox.stats');
	expect(session).toMatchObject({ code: 1, errors: expect.stringMatching(/^[^\n]*database[^\n]*\n$/) });
	for (const migration of migrations) {
		expect(await migration.exited).toEqual({ code: 1, signal: null });
		expect(migration.lines).toEqual([expect.stringMatching(/database/)]);
	}
	await until(() => start.probeUrl);
	const begin = performance.now();
	expect(await start.stop()).toEqual({ code: 0, signal: null }); // nothing had begun
	expect(performance.now() - begin).toBeLessThan(10_000);
	for (const lines of [start.lines, ...migrations.map((run) => run.lines)])
		expect(lines.join('\n')).not.toContain('secret');
}, 120_000);

it('npm run migrate that is told to end leaves no PostgreSQL behind, and does not end with 0', async () => {
	const migration = system.run('bin/migrate.ts', ['up']);
	const postgres = await until(() => system.postgresPid());
	migration.signal('SIGTERM');
	expect(await migration.exited).toEqual({ code: 1, signal: null });
	expect(migration.errors.at(-1)).toBe('ended by SIGTERM; what was not done is as it was');
	expect(isAlive(postgres)).toBe(false);
}, 60_000);

for (const kind of [rabbitmq, redis]) {
	await describeBroker(kind, `a process whose ${kind.scheme} broker has gone silent`, () => {
		it('ends in good order and in time', async () => {
			const broker = await testBroker(kind);
			await broker.up();
			const line = await TcpProxy.open(Number(new URL(broker.url).port));
			const whole = await System.create({ BROKER_URL: broker.url.replace(/:\d+/, `:${line.port}`) });
			try {
				const running = await whole.up();
				line.freeze();
				await pause(2_000); // its loops have asked and wait for an answer
				const begin = performance.now();
				expect(await running.stop()).toEqual({ code: 0, signal: null });
				expect(performance.now() - begin).toBeLessThan(10_000);
			} finally {
				await whole.dispose();
				await line.close();
				await broker.dispose();
			}
		}, 120_000);
	});
}
