import { randomUUID } from 'node:crypto';
import pg from 'pg';

/**
 * The floor: what plain node-postgres does with one statement an order, an order row and an outbox row of the same
 * width as ours, prepared, with the same durability, on tables that hold rows already.
 */
const TABLES = `
	CREATE TABLE IF NOT EXISTS floor_orders (id uuid PRIMARY KEY, owner text NOT NULL, product_name text NOT NULL,
		amount bigint NOT NULL, currency text NOT NULL, payment_method text NOT NULL, status text NOT NULL,
		created_at timestamptz NOT NULL DEFAULT clock_timestamp(), due_at timestamptz NOT NULL);
	CREATE TABLE IF NOT EXISTS floor_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id uuid NOT NULL,
		kind text NOT NULL, run_at timestamptz NOT NULL, payload json NOT NULL);
	CREATE INDEX IF NOT EXISTS floor_outbox_run ON floor_outbox (run_at);`;

const PLACE = {
	name: 'floor-place',
	text: `WITH o AS (INSERT INTO floor_orders (id, owner, product_name, amount, currency, payment_method, status, due_at)
			VALUES ($1, $2, $3, $4, $5, $6, 'Pending', clock_timestamp() + interval '10 minutes') RETURNING id, due_at)
		INSERT INTO floor_outbox (order_id, kind, run_at, payload) SELECT id, 'OrderPending', due_at, $7 FROM o`,
};

/** The data of an `OrderPending`, as our events hold it. */
export const PENDING_DATA = JSON.stringify({
	version: 1,
	productName: 'A pound of tea',
	amountMinor: '1990',
	currency: 'USD',
	pendingUntil: new Date().toISOString(),
});

/** The pools of which the best counts. */
const POOLS = [16, 32, 64];

export class Floor {
	readonly #connection: pg.PoolConfig;

	private constructor(connection: pg.PoolConfig) {
		this.#connection = connection;
	}

	static async open(connection: pg.PoolConfig): Promise<Floor> {
		const client = new pg.Client(connection);
		await client.connect();
		await client.query(TABLES);
		await client.end();
		const floor = new Floor(connection);
		await floor.measure(1);
		return floor;
	}

	/** Orders a second: the best of the pools, each for `seconds`. */
	async measure(seconds: number): Promise<number> {
		const rates: number[] = [];
		for (const size of POOLS) {
			const pool = new pg.Pool({ ...this.#connection, max: size, idleTimeoutMillis: 0 });
			await run(pool, size, 300);
			rates.push(await run(pool, size, seconds * 1_000));
			await pool.end();
		}
		return Math.max(...rates);
	}
}

async function run(pool: pg.Pool, size: number, duration: number): Promise<number> {
	const start = performance.now();
	let placed = 0;
	const worker = async (): Promise<void> => {
		while (performance.now() - start < duration) {
			await pool.query({
				...PLACE,
				values: [randomUUID(), 'anonymous', 'A pound of tea', 1990, 'USD', 'card_ok', PENDING_DATA],
			});
			placed += 1;
		}
	};
	await Promise.all(Array.from({ length: size * 2 }, worker));
	return (placed * 1_000) / (performance.now() - start);
}
