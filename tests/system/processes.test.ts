import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, it } from '@jest/globals';
import type { LocalBroker } from '../../bin/brokers/local-broker.ts';
import { redis } from '../../bin/brokers/redis.ts';
import { describeBroker } from '../support/brokers.ts';
import { Client } from '../support/client.ts';
import { Cluster } from '../support/cluster.ts';
import { startTestDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';

for (const kind of [redis]) {
	await describeBroker(kind, `processes linked by ${kind.scheme}`, () => {
		let folder: string;
		let broker: LocalBroker;
		let database: TestDatabase;
		let cluster: Cluster;
		beforeAll(async () => {
			folder = await mkdtemp(join(tmpdir(), 'pp-broker-'));
			broker = kind.local({ folder, port: await freePort() });
			[database] = await Promise.all([startTestDatabase(), broker.up()]);
		}, 120_000);
		afterAll(async () => {
			await Promise.all([database.stop(), broker.kill()]);
			await rm(folder, { recursive: true, force: true });
		}, 60_000);
		afterEach(() => cluster.dispose());

		it('seven of them', async () => {
			cluster = await Cluster.create(database, broker.url, { CANCELLATION_WINDOW: '2s' });
			const t = performance.now();
			const all = await cluster.up();
			console.log(
				'up',
				performance.now() - t,
				all.map((r) => r.nodeID),
			);
			const client = new Client(cluster.url);
			const answers = await Promise.all(
				Array.from({ length: 20 }, (_, i) => client.create({ productName: 'x', amount: 1 }, `k${i}`)),
			);
			console.log(answers.map(({ status }) => status).join());
			await until(async () => (await client.list()).every(({ status }) => status === 'Shipped'));
			for (const r of all) console.log(r.nodeID, r.lines.join('\n'));
		}, 120_000);
	});
}
