/**
 * What the service does at four times the load that it can take: `node bench/overload.ts [seconds]`. The whole system in
 * a process of its own; requests come at a fixed rate, however the answers come. Prints what was accepted and refused a
 * second, how long accepted ones took, and whether any of them was lost.
 */
import autocannon from 'autocannon';
import { SECOND } from '../domain/time.ts';
import { type Answers, openLoop } from './open-loop.ts';
import { serve } from './process.ts';
import { Stage } from './stage.ts';

const BODY = JSON.stringify({ productName: 'A pound of tea', amount: 19.9, cancellationWindow: '5s' });
const HEADERS = { 'content-type': 'application/json' };
const REQUEST = { method: 'POST', headers: HEADERS, body: BODY } as const;
const BYTES = `POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
/** More than are ever at work, so that no request waits for a connection. */
const CONNECTIONS = 1_800;

const percentile = (sorted: readonly number[], part: number): number =>
	Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN);

function report(name: string, { latencies, lost, unsent, waited }: Answers, seconds: number): void {
	const sorted = (latencies.get(201) ?? []).toSorted((a, b) => a - b);
	const [p50, p99, max] = [0.5, 0.99, 1].map((part) => percentile(sorted, part));
	const others = [...latencies].map(([status, { length }]) => `${status}: ${Math.round(length / seconds)}/s`);
	const accepted = `201 in p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
	const own = `${Math.round(waited)} ms of it for a connection at most, ${unsent} never sent`;
	console.log(`${name}: ${others.sort().join(', ')}; ${accepted} (${own}); ${lost} lost`);
}

const seconds = Number(process.argv[2] ?? 10);
const stage = await Stage.open();
const { url, close } = await serve('bin/start.ts', stage);
try {
	const { port } = new URL(url);
	// A warm system; then what it takes at most, by as many clients as it takes to keep it busy.
	await autocannon({ ...REQUEST, url: `${url}/orders`, connections: 64, duration: 3 });
	const calm = await autocannon({ ...REQUEST, url: `${url}/orders`, connections: 64, duration: seconds });
	const able = calm['2xx'] / calm.duration;
	console.log(`64 clients: ${Math.round(able)}/s, p99 ${calm.latency.p99} ms, ${calm.non2xx} refused`);
	for (const times of (process.env.TIMES ?? '0.5,1,2,4').split(',').map(Number)) {
		const before = await stage.count('orders');
		const answers = await openLoop(Number(port), BYTES, { rate: able * times, seconds, connections: CONNECTIONS });
		report(`${times} times the load`, answers, seconds);
		const missing = (answers.latencies.get(201)?.length ?? 0) + before - (await stage.count('orders'));
		if (missing > 0) throw new Error(`${missing} orders were lost`);
	}
	const begin = performance.now();
	const unfinished = (): Promise<number> => stage.count('orders WHERE sweep_at IS NOT NULL');
	while ((await unfinished()) > 0) {
		if (performance.now() - begin > 300 * SECOND)
			throw new Error(`${await unfinished()} orders have not come to an end`);
		await new Promise((resolve) => setTimeout(resolve, SECOND));
	}
	console.log(
		`all ${await stage.count('orders')} orders shipped ${Math.round((performance.now() - begin) / SECOND)} s later`,
	);
} finally {
	await close();
	await stage.close();
}
