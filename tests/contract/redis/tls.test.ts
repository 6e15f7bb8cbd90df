import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { redis } from '../../../bin/brokers/redis.ts';
import { RedisCarrier } from '../../../mixins/brokers/redis/carrier.ts';
import { describeBroker } from '../../support/brokers.ts';
import { machineClock } from '../../support/clock.ts';
import { memoryLog } from '../../support/database.ts';
import { redisUrl, startRedis, type TestRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';
import { idsOf, TOPOLOGY, toMessages } from '../carrier-bench.ts';

await describeBroker(redis, 'the Redis carrier over TLS', () => {
	let folder = '';
	let url = '';
	let server: TestRedis;
	let child: ChildProcess | undefined;

	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), 'pp-tls-'));
		const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
		const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
		const made = [
			'req',
			'-x509',
			'-newkey',
			'rsa:2048',
			'-nodes',
			'-days',
			'2',
			...names,
			'-keyout',
			key,
			'-out',
			certificate,
		];
		expect(spawnSync('openssl', made).status).toBe(0);
		const port = await freePort();
		server = await startRedis({
			'tls-port': String(port),
			'tls-cert-file': certificate,
			'tls-key-file': key,
			'tls-ca-cert-file': certificate,
			'tls-auth-clients': 'no',
			requirepass: 'secret',
		});
		url = `rediss://:secret@127.0.0.1:${port}`;
	});

	afterAll(async () => {
		child?.kill('SIGKILL');
		await server.stop();
		await rm(folder, { recursive: true, force: true });
	});

	it('trusts no certificate that the process does not trust', async () => {
		const log = memoryLog();
		const carrier = new RedisCarrier(redisUrl(url), TOPOLOGY, log, { clock: machineClock });
		await expect(carrier.publish(toMessages(1))).rejects.toThrow(/self-signed certificate/);
		await until(() => log.lines.some((line) => line.startsWith('warn') && line.includes('self-signed certificate')));
		expect(log.lines.join()).not.toContain('secret');
		await carrier.close();
	});

	it('carries messages where it does', async () => {
		const plain = new RedisCarrier(redisUrl(server.url.replace('//', '//:secret@')), TOPOLOGY, memoryLog(), {
			prefix: 'tls',
			clock: machineClock,
		});
		const messages = toMessages(5);
		await plain.publish(messages);
		await plain.close();
		const address = JSON.stringify({ url, prefix: 'tls' });
		const args = ['../carrier-process.ts', 'harness.ts'].map((name) => join(import.meta.dirname, name));
		child = spawn(process.execPath, [...args, address, JSON.stringify(TOPOLOGY), 'first'], {
			env: { ...process.env, NODE_OPTIONS: '', NODE_EXTRA_CA_CERTS: join(folder, 'certificate.pem') },
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		const lines: string[] = [];
		if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => lines.push(line));
		const [line = ''] = await until(() => (lines.length > 0 ? lines : undefined), 'a process gets messages over TLS');
		expect(JSON.parse(line)).toEqual(idsOf(messages));
	});
});
