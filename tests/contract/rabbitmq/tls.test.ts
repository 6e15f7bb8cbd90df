import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { LocalRabbitMq, rabbitmq } from '../../../bin/brokers/rabbitmq.ts';
import { RabbitMqCarrier } from '../../../mixins/brokers/rabbitmq/carrier.ts';
import { describeBroker } from '../../support/brokers.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { machineClock } from '../../support/clock.ts';
import { memoryLog } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';
import { TOPOLOGY, toMessage } from '../carrier-bench.ts';
import { PREFIX } from './harness.ts';

jest.setTimeout(3 * PATIENCE);

await describeBroker(rabbitmq, 'RabbitMQ with TLS and a login', () => {
	let root: string;
	let server: LocalRabbitMq;
	let address: string;
	let certificates: Certificates;
	const children: ChildProcess[] = [];

	beforeAll(async () => {
		root = await mkdtemp(join(tmpdir(), 'pp-rabbitmq-tls-'));
		certificates = makeCertificates(root);
		const tlsPort = await freePort();
		const configuration = `listeners.ssl.1 = 127.0.0.1:${tlsPort}
			ssl_options.cacertfile = ${certificates.authority}
			ssl_options.certfile = ${certificates.certificate}
			ssl_options.keyfile = ${certificates.key}`.replaceAll('\t', '');
		server = new LocalRabbitMq({ folder: join(root, 'broker'), port: await freePort(), configuration });
		await server.up();
		await server.evaluate(`rabbit_auth_backend_internal:add_user(<<"shop">>, <<"pa:ss/w@rd">>, <<"test">>),
			rabbit_auth_backend_internal:set_permissions(<<"shop">>, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)`);
		address = `amqps://shop:${encodeURIComponent('pa:ss/w@rd')}@localhost:${tlsPort}`;
	});
	afterEach(() => {
		for (const child of children.splice(0)) child.kill('SIGKILL');
	});
	afterAll(async () => {
		await server.kill();
		await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
	});

	/** A consumer in a process of its own: Node reads the certificates that it trusts at its start. */
	function consume(url: string, env: Record<string, string>): { readonly out: string[]; readonly errors: string[] } {
		const { PATH = '', HOME = '/' } = process.env;
		const module = new URL('harness.ts', import.meta.url).href;
		const args = [join(import.meta.dirname, '../carrier-process.ts'), module, url, JSON.stringify(TOPOLOGY), 'first'];
		const child = spawn(process.execPath, args, { env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
		children.push(child);
		const lines = { out: [] as string[], errors: [] as string[] };
		createInterface(child.stdout).on('line', (line) => lines.out.push(line));
		createInterface(child.stderr).on('line', (line) => lines.errors.push(line));
		return lines;
	}

	it('is used by its URL', async () => {
		const { out } = consume(address, { NODE_EXTRA_CA_CERTS: certificates.authority });
		const carrier = new RabbitMqCarrier(server.url, TOPOLOGY, memoryLog(), { prefix: PREFIX, clock: machineClock });
		const message = toMessage();
		await carrier.publish([message]);
		await carrier.close();
		await until(() => out.some((line) => line.includes(message.id)));
	});

	it('is not trusted without its certificate, and no password is shown', async () => {
		const { errors, out } = consume(address, {});
		await until(() => errors.some((line) => /certificate/.test(line)));
		expect([...errors, ...out].join()).not.toMatch(/pa:ss|pa%3Ass/);
	});

	it('refuses a wrong password, which is said and not shown', async () => {
		const { port } = new URL(server.url);
		const carrier = new RabbitMqCarrier(`amqp://shop:secret@127.0.0.1:${port}`, TOPOLOGY, memoryLog(), {
			clock: machineClock,
		});
		await expect(carrier.publish([toMessage()])).rejects.toThrow(/ACCESS_REFUSED(?!.*secret)/);
		expect(carrier.waitsFor).toBe('the broker refuses the login');
		await carrier.close();
	});
});
