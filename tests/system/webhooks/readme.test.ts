/** The receiver of the README, as it stands there, hears of a real order. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase } from '../../support/database.ts';
import { ROOT } from '../../support/process.ts';
import { until } from '../../support/until.ts';

const [, RECEIVER = ''] =
	/```js\n(import \{ createServer \}.*?)```/s.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];

it('verifies what it hears, and refuses what is forged', async () => {
	expect(RECEIVER).toContain('webhook.verify(');
	const database = await startTestDatabase();
	const application = await startTestApplication(database);
	const { PATH = '' } = process.env;
	const call = <T>(action: string, params: object): Promise<T> =>
		application.broker.call(action, params, { meta: META }) as Promise<T>;
	const port = await freePort();
	const url = `http://127.0.0.1:${port}/`;
	const { secret } = await call<{ secret: string }>('webhooks.create', { url, types: ['OrderShipped'] });
	const child = spawn(process.execPath, ['--input-type=module', '--eval', RECEIVER], {
		cwd: ROOT,
		env: { PATH, WEBHOOK_SECRET: secret, PORT: String(port) },
	});
	try {
		const lines: string[] = [];
		for (const stream of [child.stdout, child.stderr])
			createInterface({ input: stream }).on('line', (line) => lines.push(line));
		const forged = await until(() => fetch(url, { method: 'POST', body: '{}' }), 'it listens');
		expect(forged.status).toBe(400);
		const { id } = await call<{ id: string }>('orders.create', { productName: 'tea', amount: '1' });
		await until(
			() => lines.some((line) => line.startsWith(`OrderShipped ${id} {"version":1`)),
			() => lines.join('\n'),
		);
		expect(lines).toHaveLength(1);
	} finally {
		child.kill();
		await application.stop();
		await database.stop();
	}
}, 90_000);
