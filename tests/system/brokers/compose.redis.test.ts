import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { describeCompose, PASSWORDS, service } from '../../compose/project.ts';
import { describeBroker } from '../../support/brokers.ts';
import { ask } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const SETTINGS = ['appendonly', 'appendfsync', 'save', 'maxmemory-policy', 'dir'];

await describeBroker(redis, 'Redis', () => {
	describeCompose('as its Compose file starts it', (files) => {
		let folder: string;
		let port: number;
		let server: ChildProcess;

		const broker = () => service(files.alone('redis'), 'broker');
		const env = (): NodeJS.ProcessEnv => ({ PATH: process.env.PATH, ...broker().environment });
		const url = (password: string): string => `redis://:${password}@127.0.0.1:${port}`;
		const right = (): string => url(PASSWORDS.REDIS_PASSWORD);

		/** On a folder and a port of its own, where a container would have both to itself. */
		function start(): void {
			const [shell = '', ...args] = broker().command ?? [];
			const here = `dir ${folder}\nport ${port}\nbind 127.0.0.1`;
			const given = args.map((text) => text.replaceAll('$$', '$').replace('dir /data', here));
			server = spawn(shell, given, { cwd: folder, env: env(), stdio: 'ignore' });
		}

		const healthy = (): boolean => {
			const [, script = ''] = broker().healthcheck?.test ?? [];
			const here = script.replaceAll('$$', '$').replace('redis-cli', `redis-cli -p ${port}`);
			return spawnSync('sh', ['-c', here], { env: env() }).status === 0;
		};

		beforeEach(async () => {
			folder = await mkdtemp(join(tmpdir(), 'pp-compose-redis-'));
			port = await freePort();
			start();
		});

		afterEach(async () => {
			server.kill('SIGKILL');
			if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
			await rm(folder, { recursive: true, force: true });
		});

		it('is healthy once it answers, and not when it is gone', async () => {
			expect(await until(healthy, 'healthy')).toBe(true);
			server.kill('SIGTERM');
			await once(server, 'exit');
			expect(healthy()).toBe(false);
		});

		it('keeps everything and lets nobody in without the password, which no list of processes shows', async () => {
			await until(healthy, 'healthy');
			const values = await ask(right(), async (client) => {
				await client.set('kept', 'yes');
				return Promise.all(SETTINGS.map((name) => client.config('GET', name)));
			});
			expect(Object.fromEntries(values as [string, string][])).toEqual({
				appendonly: 'yes',
				appendfsync: 'always',
				save: '',
				'maxmemory-policy': 'noeviction',
				dir: folder,
			});
			await expect(ask(`redis://127.0.0.1:${port}`, (client) => client.get('kept'))).rejects.toThrow();
			await expect(ask(url('wrong'), (client) => client.get('kept'))).rejects.toThrow();
			expect(await readFile(`/proc/${server.pid}/cmdline`, 'utf8')).not.toContain(PASSWORDS.REDIS_PASSWORD);

			server.kill('SIGKILL');
			await once(server, 'exit');
			start();
			await until(healthy, 'healthy again');
			expect(await ask(right(), (client) => client.get('kept'))).toBe('yes');
		});
	});
});
