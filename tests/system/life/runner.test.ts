/** The system under Moleculer's own runner. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, it, jest } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { isAlive, ROOT, System } from '../../support/process.ts';
import { openRepl, type Session } from '../../support/repl.ts';
import { until } from '../../support/until.ts';

jest.setTimeout(180_000);

let system: System;
let session: Session | undefined;
afterEach(async () => {
	session?.child.kill('SIGKILL');
	await session?.ended;
	session = undefined;
	await system.dispose();
});

const RUNNER = 'node_modules/moleculer/bin/moleculer-runner.mjs';

it('npm run dev serves orders up to Shipped, to a REPL that calls as the operator, and ends with its input', async () => {
	system = await System.create();
	const port = await freePort();
	const env = { DATA_DIR: system.dataDir, PORT: String(port), CANCELLATION_WINDOW: '1s', LOG_LEVEL: 'warn' };
	const dev = ['npm', '--prefix', ROOT, 'run', 'dev'];
	session = openRepl(env, undefined, dev);
	const { child, output, errors, ended } = session;
	const type = (line: string): void => void child.stdin?.write(`${line}\n`);
	await until(
		() => output().includes('Protected Payment listens on'),
		() => `it listens\n${output()}${errors()}`,
		60_000,
	);
	type('call orders.create --productName Tea --amount 10.50');
	await until(() => output().includes('orderNumber'), 'an order was created');
	const [id] = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}/.exec(output()) ?? [];
	const statusOf = async (): Promise<unknown> =>
		((await (await fetch(`http://127.0.0.1:${port}/orders/${id}`)).json()) as { status: string }).status;
	await until(async () => (await statusOf()) === 'Shipped', 'it is shipped');
	type(`pp order ${id}`);
	child.stdin?.end();
	expect([await ended, errors()]).toEqual([0, '']);
	expect(output()).toContain('OrderShipped');
	expect(output()).not.toContain('undefined');
	expect(await system.postgresPid()).toBeUndefined();
});

it('SIGTERM ends it with 0 within 10 s, with work in hand, and its PostgreSQL too', async () => {
	system = await System.create();
	const running = system.run(RUNNER, ['--config', 'moleculer.config.ts', 'services/*.service.ts']);
	const url = await running.listening;
	const order = {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: '{"productName":"Tea","amount":1}',
	};
	const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/orders`, order)));
	expect(answers.filter(({ status }) => status !== 201)).toEqual([]);
	const postgres = await system.postgresPid();
	const begin = performance.now();
	expect(await running.stop()).toEqual({ code: 0, signal: null });
	expect(performance.now() - begin).toBeLessThan(10_000);
	expect(postgres === undefined || isAlive(postgres)).toBe(false);
});

it('SIGTERM ends it while it waits for its database', async () => {
	system = await System.create();
	const database = `postgres://nobody@127.0.0.1:${await freePort()}/none`;
	const broker = `redis://127.0.0.1:${await freePort()}`;
	const env = { DATABASE_URL: database, BROKER_URL: broker, SERVICES: 'settlement, shipping', METRICS_PORT: '0' };
	const running = system.run(RUNNER, ['--config', 'moleculer.config.ts'], env);
	await until(() => running.probeUrl, 'it answers for its health');
	expect(await running.stop()).toEqual({ code: 0, signal: null });
});

it('says in one line that its port is in use, and leaves no PostgreSQL behind', async () => {
	system = await System.create();
	const first = await system.up();
	const other = await System.create();
	try {
		const env = { PORT: new URL(await first.listening).port };
		const running = other.run(RUNNER, ['--config', 'moleculer.config.ts', 'services/*.service.ts'], env);
		expect((await running.exited).code).toBe(1);
		expect(running.errors).toEqual([expect.stringMatching(/^The gateway cannot listen on .*: the port is in use$/)]);
		expect(await other.postgresPid()).toBeUndefined();
	} finally {
		await other.dispose();
	}
});

it('to import a service, or the configuration, starts nothing', async () => {
	system = await System.create();
	const files = ['gateway', 'orders', 'outbox-relay', 'settlement', 'shipping', 'webhooks'].map(
		(name) => `services/${name}.service.ts`,
	);
	const imports = [...files, 'moleculer.config.ts'].map(
		(file) => `await import(${JSON.stringify(pathToFileURL(join(ROOT, file)).href)});`,
	);
	const script = `data:text/javascript,${encodeURIComponent(imports.join(''))}`;
	const running = system.run('tests/system/fixtures/nothing.mjs', [], { NODE_OPTIONS: `--import=${script}` });
	expect(await running.exited).toEqual({ code: 0, signal: null });
	expect(running.lines).toEqual([]);
});

it('--hot makes a service anew when its file has changed, and goes on with the old one after a mistake', async () => {
	system = await System.create();
	const file = join(system.dataDir, 'greeter.service.ts');
	const door = pathToFileURL(join(ROOT, 'mixins/service.ts')).href;
	const write = (name: string): Promise<void> =>
		writeFile(
			file,
			`import { defineService } from '${door}';
			export default defineService({ name: 'greeter', mixins: [], created() { this.logger.info('hello ${name}'); } });`,
		);
	await write('one');
	const running = system.run(RUNNER, ['--config', 'moleculer.config.ts', '--hot', 'services/*.service.ts', file]);
	await running.listening;
	const says = (text: string): Promise<unknown> => until(() => running.lines.some((line) => line.includes(text)), text);
	await says('hello one');
	await write('two');
	await says('hello two');
	await writeFile(file, 'export default { name: ');
	await says('cannot be loaded');
	await write('three');
	await says('hello three');
	expect(await running.stop()).toEqual({ code: 0, signal: null });
});
