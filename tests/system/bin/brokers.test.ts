import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { isAlive, signalTo } from '../../../bin/brokers/processes.ts';
import { LocalRedis, redis } from '../../../bin/brokers/redis.ts';
import { describeBroker } from '../../support/brokers.ts';
import { Running } from '../../support/process.ts';
import { ask } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

interface Outcome {
	readonly code: number | null;
	readonly lines: readonly string[];
}

await describeBroker(redis, 'npm run brokers', () => {
	let folder = '';
	let port = 0;

	async function brokers(...args: string[]): Promise<Outcome> {
		const running = new Running('bin/brokers.ts', [...args, '--folder', folder], {});
		const { code } = await running.exited;
		return { code, lines: running.lines };
	}

	const up = (): Promise<Outcome> => brokers('up', 'redis', '--port', String(port));
	const pid = async (): Promise<number> => Number(await readFile(join(folder, 'redis/pid'), 'utf8'));
	const url = (): string => `redis://127.0.0.1:${port}`;

	beforeEach(async () => {
		folder = await mkdtemp(join(tmpdir(), 'pp-brokers-'));
		port = await freePort();
	});

	afterEach(async () => {
		await new LocalRedis({ folder: join(folder, 'redis'), port }).kill();
		await rm(folder, { recursive: true, force: true });
	});

	it('brings a broker up and takes it down, safe to repeat, and back with its data after a kill -9', async () => {
		const started = { code: 0, lines: [`BROKER_URL=${url()}`] };
		expect(await up()).toEqual(started);
		const first = await pid();
		expect(await up()).toEqual(started);
		expect(await pid()).toBe(first);
		expect(await ask(url(), (client) => client.config('GET', 'append*'))).toEqual(
			expect.arrayContaining(['appendonly', 'yes', 'appendfsync', 'always']),
		);

		await ask(url(), (client) => client.set('kept', 'yes'));
		signalTo(first, 'SIGKILL');
		expect(await up()).toEqual(started);
		expect(await pid()).not.toBe(first);
		expect(await ask(url(), (client) => client.get('kept'))).toBe('yes');

		const second = await pid();
		const stopped = { code: 0, lines: ['redis is down'] };
		expect(await brokers('down', 'redis')).toEqual(stopped);
		expect(isAlive(second)).toBe(false);
		expect(await brokers('down', 'redis')).toEqual(stopped);
		expect(await up()).toEqual(started);
		expect(await ask(url(), (client) => client.get('kept'))).toBe('yes');
	});

	it('says that a port is taken, and touches nobody else', async () => {
		const stranger = createServer().listen(port, '127.0.0.1');
		await until(() => stranger.listening);
		try {
			const { code, lines } = await up();
			expect(code).toBe(1);
			expect(lines).toEqual([expect.stringContaining(`port ${port} on 127.0.0.1 is taken by another program`)]);
			expect(stranger.listening).toBe(true);
		} finally {
			stranger.close();
		}
	});

	it('does not kill a stranger that has the process id of a broker that is gone', async () => {
		await up();
		const gone = await pid();
		signalTo(gone, 'SIGKILL');
		await until(() => !isAlive(gone));
		const local = new LocalRedis({ folder: join(folder, 'redis'), port });
		await writeFile(join(folder, 'redis/pid'), `${process.pid}\n`);
		await local.kill();
		expect(await local.pid()).toBeUndefined();
	});

	it.each([[['start']], [['up', 'rabbit']], [['up', 'redis', '--port', 'many']], [['up', '--what']]])(
		'says what it takes: %j',
		async (args) => {
			const { code, lines } = await brokers(...args);
			expect(code).toBe(1);
			expect(lines.join('\n')).toMatch(/usage: npm run brokers|Unknown option '--what'/);
		},
	);
});
