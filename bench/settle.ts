import { setTimeout as pause } from 'node:timers/promises';
import type { Application } from '../bin/application.ts';
import { newId } from '../mixins/runtime/uuid.ts';
import { accept, place } from './orders.ts';
import type { Stage } from './stage.ts';

export async function until(condition: () => Promise<boolean>, what: string, seconds = 120): Promise<void> {
	const end = performance.now() + seconds * 1_000;
	while (!(await condition())) {
		if (performance.now() > end) throw new Error(`gave up waiting until ${what}`);
		await pause(20);
	}
}

/** The orders became due before all of them were there: another try needs more time before. */
export class TooSlow extends Error {}

/** How long before the moment the orders are placed, unless told otherwise. */
export const leadFor = (orders: number): number => 10_000 + 2 * orders;

/** Orders that are all due at one moment, until the last has shipped: orders a second. */
export async function drain(
	stage: Stage,
	application: Application,
	orders: number,
	lead = leadFor(orders),
): Promise<number> {
	const { rows } = await stage.pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
	const ahead = (rows[0]?.now.getTime() ?? Date.now()) - Date.now();
	const due = Date.now() + ahead + lead;
	// Ids sort by time: only this run's orders count, whatever else is in the tables.
	const since = newId(Date.now() + ahead);
	const left = (): number => Math.max(1_000, Math.round(due - Date.now() - ahead));
	const allShipped = (): Promise<void> =>
		until(
			async () =>
				(await stage.count(
					'(SELECT FROM orders WHERE sweep_at IS NOT NULL ORDER BY sweep_at LIMIT 1) AS unfinished',
				)) === 0,
			'all have shipped',
			300,
		);
	const authorised = `payments WHERE order_id >= '${since}' AND status = 'Authorized'`;
	await accept(
		application.broker,
		64,
		(placed) => placed < orders,
		() => `${left()}ms`,
	);
	await until(
		async () => left() <= 1_000 || (await stage.count(authorised)) >= orders,
		'all are authorised',
		lead / 1_000 + 10,
	);
	await stage.pool.query('ANALYZE');
	if (left() <= 1_000) {
		await allShipped(); // nothing of them must come into the next run
		throw new TooSlow('the orders were not all there before they were due');
	}
	await allShipped();
	const { rows: ends } = await stage.pool.query<{ seconds: number }>(
		`SELECT extract(epoch FROM max(pg_xact_commit_timestamp(e.xmin)) - min(o.pending_until))::float8 AS seconds
		FROM order_events e JOIN orders o ON o.id = e.order_id WHERE e.order_id >= $1 AND e.type = 'OrderShipped'`,
		[since],
	);
	return orders / (ends[0]?.seconds ?? Number.NaN);
}

/** From the first to the last row of the outbox that the relay marks as sent: rows a second. */
export async function relayed(stage: Stage): Promise<number> {
	await until(async () => (await stage.count('outbox_messages WHERE sent_at IS NULL')) === 0, 'all is sent', 300);
	const { rows } = await stage.pool.query<{ rate: number }>(
		`SELECT (count(*) FILTER (WHERE sent_at > begun) / extract(epoch FROM max(sent_at) - min(begun)))::float8 AS rate
		FROM outbox_messages, (SELECT min(sent_at) AS begun FROM outbox_messages) AS first`,
	);
	return rows[0]?.rate ?? Number.NaN;
}

export interface Lateness {
	readonly orders: number;
	readonly p50: number;
	readonly p99: number;
	readonly max: number;
	/** of all orders, those that the carrier woke and not the sweeper */
	readonly wokenByCarrier: number;
}

/** From due to the commit of the row that says Confirmed, in milliseconds, with a steady stream of orders. */
export async function lateness(
	stage: Stage,
	application: Application,
	perSecond: number,
	seconds: number,
): Promise<Lateness> {
	const start = performance.now();
	const placed: Promise<unknown>[] = [];
	for (let order = 0; order < perSecond * seconds; order += 1) {
		const wait = start + (order * 1_000) / perSecond - performance.now();
		if (wait > 0.5) await pause(wait);
		placed.push(place(application.broker, '5s'));
	}
	await Promise.all(placed);
	const confirmed = `order_events WHERE type = 'OrderConfirmed'`;
	// Counting reads the whole table: not while there are moments to measure.
	await pause(6_000);
	await until(async () => (await stage.count(confirmed)) >= placed.length, 'all are confirmed');
	const { rows } = await stage.pool.query<{ p50: number; p99: number; max: number; woken: number }>(
		`SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY late) AS p50, percentile_disc(0.99) WITHIN GROUP (ORDER BY late) AS p99,
			max(late) AS max, avg((woken_by = 'OrderDue')::int)::float8 AS woken
		FROM (SELECT extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - o.pending_until)::float8 * 1000 AS late,
				e.data ->> 'wokenBy' AS woken_by
			FROM order_events e JOIN orders o ON o.id = e.order_id WHERE e.type = 'OrderConfirmed') AS l`,
	);
	const [row] = rows;
	if (row === undefined) throw new Error('no order was confirmed');
	return { orders: placed.length, p50: row.p50, p99: row.p99, max: row.max, wokenByCarrier: row.woken };
}
