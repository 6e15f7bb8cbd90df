import { Cluster, ready } from '../tests/support/cluster.ts';
import { accept } from './orders.ts';
import { until } from './settle.ts';
import type { Stage } from './stage.ts';

/** As slow as a payment provider over the internet on a bad day: each process has 500 calls in hand at most. */
const LATENCY = '2s';
const LEAD = 25_000;

/** Captures a second, of orders that are all due at one moment, by so many settlement processes on one broker. */
export async function settledBy(processes: number, stage: Stage, brokerUrl: string, orders: number): Promise<number> {
	const env = { SANDBOX_LATENCY: LATENCY, LOG_LEVEL: 'warn' };
	const cluster = await Cluster.create({ url: stage.url, connection: stage.postgres.connection }, brokerUrl, env);
	try {
		const counts = { 'outbox-relay': 1, settlement: processes, shipping: 1 };
		const others = Object.entries(counts).flatMap(([name, count]) => Array.from({ length: count }, () => name));
		const taking = await stage.start(['orders']);
		const started = others.map((name) => cluster.start(name));
		await Promise.all(started.map((running) => ready(running)));
		const due = Date.now() + LEAD;
		await accept(
			taking.broker,
			64,
			(placed) => placed < orders,
			() => `${Math.max(1_000, due - Date.now())}ms`,
		);
		await taking.stop();
		const captured = `payments WHERE status = 'Captured'`;
		await until(async () => (await stage.count(captured)) >= orders, 'all are captured', 300);
		const { rows } = await stage.pool.query<{ seconds: number }>(
			`SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin)) - (SELECT min(pending_until) FROM orders))::float8
				AS seconds FROM order_events WHERE type = 'PaymentCaptured'`,
		);
		return orders / (rows[0]?.seconds ?? Number.NaN);
	} finally {
		await cluster.dispose();
		await stage.empty();
	}
}
