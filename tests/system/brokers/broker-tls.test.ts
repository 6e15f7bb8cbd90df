/** A broker that wants TLS and a login, with a certificate made here. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { LocalRedis, redis } from '../../../bin/brokers/redis.ts';
import { describeBroker } from '../../support/brokers.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { Client } from '../../support/client.ts';
import { Cluster, healthOf } from '../../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { unfinished } from '../../support/evidence.ts';
import type { Running } from '../../support/process.ts';
import { runRepl } from '../../support/repl.ts';
import { until } from '../../support/until.ts';

const PASSWORD = 'p@ss:w0rd/100%';

await describeBroker(redis, 'rediss', () => {
	let folder: string;
	let certificates: Certificates;
	let broker: LocalRedis;
	let port: number;
	let database: TestDatabase;
	let cluster: Cluster;

	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), 'pp-tls-'));
		certificates = makeCertificates(folder);
		port = await freePort();
		broker = new LocalRedis(
			{ folder: join(folder, 'redis'), port: await freePort() },
			{
				'tls-port': String(port),
				'tls-cert-file': certificates.certificate,
				'tls-key-file': certificates.key,
				'tls-ca-cert-file': certificates.authority,
				'tls-auth-clients': 'no',
				requirepass: PASSWORD,
			},
		);
		database = await startTestDatabase();
		await broker.up();
	}, 120_000);
	beforeEach(() => database.reset());
	afterEach(() => cluster.dispose(), 60_000);
	afterAll(async () => {
		await Promise.all([database?.stop(), broker?.kill()]);
		await rm(folder, { recursive: true, force: true });
	}, 60_000);

	const url = (password = PASSWORD, host = 'localhost'): string =>
		`rediss://default:${encodeURIComponent(password)}@${host}:${port}/1`;
	const trusting = (): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: certificates.authority });

	it('carries orders and links processes, where the certificate is trusted', async () => {
		cluster = await Cluster.create(database, url(), { ...trusting(), CANCELLATION_WINDOW: '1s' });
		await cluster.up({ gateway: 1, orders: 1, 'outbox-relay': 1, settlement: 1, shipping: 1 });
		const client = new Client(cluster.url);
		const { orderId } = await client.create({ productName: 'tea', amount: 1 }, 'tls');
		await until(async () => (await unfinished(cluster)) === 0);
		expect(await client.get(orderId ?? '')).toMatchObject({ status: 'Shipped' });
		const session = await runRepl(
			{ ...trusting(), BROKER_URL: url(), DATABASE_URL: database.url },
			`call orders.get '{"id":"${orderId}"}'`,
		);
		expect(session).toMatchObject({ code: 0, errors: '' });
		expect(session.output).toMatch(/status: 'Shipped'/);
	}, 180_000);

	it.each<[string, () => string, () => Record<string, string>, string]>([
		['the certificate is not trusted', url, () => ({}), 'the certificate of the broker is not trusted'],
		[
			'the certificate is for another host',
			() => url(PASSWORD, '127.0.0.1'),
			trusting,
			'the certificate of the broker is not trusted',
		],
		['the password is wrong', () => url('guess-1234'), trusting, 'the broker refuses the login'],
	])(
		'is not used where %s, and the process says so without the secret',
		async (_, address, env, reason) => {
			cluster = await Cluster.create(database, address(), env());
			const running: Running = cluster.start('orders');
			const report = await until(
				async () => {
					const answer = await healthOf(running);
					return answer.failing.some((finding) => finding.reason === reason) ? answer : undefined;
				},
				() => running.lines.join('\n'),
			);
			expect(report.httpStatus).toBe(503);
			await until(() => running.lines.some((line) => line.includes(`waiting: ${reason}`)));
			expect(running.lines.join('\n')).not.toMatch(/w0rd|guess/);
			expect(JSON.stringify(report)).not.toMatch(/w0rd|guess|localhost|127\.0\.0\.1/);
			const session = await runRepl({ ...env(), BROKER_URL: address(), DATABASE_URL: database.url });
			expect(session).toEqual({ code: 1, output: '', errors: `The system cannot be joined: ${reason}\n` });
		},
		120_000,
	);
});
