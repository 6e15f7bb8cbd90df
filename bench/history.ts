/** Whatever runs SQL: a pool of `pg`, or a test's database. */
interface Sql {
	query(text: string, values?: unknown[]): Promise<unknown>;
}

/** Orders that wait for the end of their window, with everything that belongs to them, straight into the tables. */
export async function preloadPending(sql: Sql, orders: number): Promise<void> {
	await sql.query(
		`WITH o AS (INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
				created_at, pending_until, sequence, sweep_at)
			SELECT uuidv7(), 'bench', 'A pound of tea', 1990, 'USD', 'card_ok', 604800000, 'Pending',
				now(), now() + interval '7 days', 2, now() + interval '7 days 3 seconds'
			FROM generate_series(1, $1::int) RETURNING id, created_at, pending_until),
		p AS (INSERT INTO payments (order_id, status, reference) SELECT id, 'Authorized', 'auth_' || id FROM o),
		e AS (INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
			SELECT id, s, uuidv7(), (ARRAY['OrderPending', 'PaymentAuthorized'])[s], created_at, '{"version":1}'
			FROM o, generate_series(1, 2) AS s),
		m AS (INSERT INTO outbox_messages (message_id, type, order_id, sequence, sent_at)
			SELECT uuidv7(), (ARRAY['OrderPending', 'PaymentAuthorized'])[s], id, s, now() FROM o, generate_series(1, 2) AS s)
		INSERT INTO carrier_messages (consumer, deliver_at, id, type, key, due_at, body)
		SELECT 'deadlines', pending_until, uuidv7(), 'OrderDue', id, pending_until, '{"specversion":"1.0"}' FROM o`,
		[orders],
	);
	await sql.query('VACUUM ANALYZE');
}

const STEP = 250_000;

/** Orders that have shipped, with their payment, history, inbox and journal rows. */
export async function preloadFinished(sql: Sql, orders: number, analyse = true): Promise<void> {
	for (let done = 0; done < orders; done += STEP) {
		await sql.query(
			`WITH o AS (INSERT INTO orders (id, owner, product_name, amount, currency, payment_method, cancellation_window, status,
					created_at, pending_until, confirmed_at, shipped_at, sequence)
				SELECT uuidv7(), 'bench', 'A pound of tea', 1990, 'USD', 'card_ok', 600000, 'Shipped',
					now() - interval '1 day', now() - interval '1 day', now() - interval '1 day', now() - interval '1 day', 5
				FROM generate_series(1, $1::int) RETURNING id, created_at),
			p AS (INSERT INTO payments (order_id, status, reference) SELECT id, 'Captured', 'auth_' || id FROM o),
			s AS (INSERT INTO shipments (order_id, attempt_until, attempts) SELECT id, created_at, 1 FROM o),
			e AS (INSERT INTO order_events (order_id, sequence, id, type, occurred_at, data)
				SELECT id, n, uuidv7(), (ARRAY['OrderPending', 'PaymentAuthorized', 'OrderConfirmed', 'PaymentCaptured', 'OrderShipped'])[n],
					created_at, '{"version":1}' FROM o, generate_series(1, 5) AS n),
			i AS (INSERT INTO inbox_messages (consumer, message_id, order_id, handled_at)
				SELECT (ARRAY['settlement', 'deadlines', 'settlement', 'shipping'])[n], uuidv7(), id, created_at FROM o, generate_series(1, 4) AS n),
			m AS (INSERT INTO outbox_messages (message_id, type, order_id, sequence, sent_at)
				SELECT uuidv7(), 'OrderShipped', id, n, created_at FROM o, generate_series(1, 5) AS n)
			INSERT INTO sandbox_operations (idempotency_key, order_id, operation, amount, outcome)
			SELECT id || ':' || operation, id, operation, 1990, 'succeeded' FROM o, unnest(ARRAY['authorize', 'capture']) AS operation`,
			[Math.min(STEP, orders - done)],
		);
	}
	if (analyse) await sql.query('VACUUM ANALYZE');
	await sql.query('CHECKPOINT');
}
