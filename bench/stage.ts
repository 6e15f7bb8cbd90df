import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Application, startApplication } from '../bin/application.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../mixins/database/embedded/index.ts';
import { parseSettings, type ServiceName } from '../mixins/settings/settings.ts';

/** A PostgreSQL of our own with full durability, and the means to run the system on it. */
export class Stage {
	readonly dataDir: string;
	readonly postgres: EmbeddedPostgres;
	readonly pool: pg.Pool;

	private constructor(dataDir: string, postgres: EmbeddedPostgres) {
		this.dataDir = dataDir;
		this.postgres = postgres;
		this.pool = new pg.Pool({ ...postgres.connection, max: 4 });
		this.pool.on('error', (error) => console.error(error.message));
	}

	static async open(more: Readonly<Record<string, string>> = {}): Promise<Stage> {
		const dataDir = await mkdtemp(join(tmpdir(), 'protected-payment-bench-'));
		const settings = { track_commit_timestamp: 'on', ...more };
		const log = { ...console, debug: () => {}, info: () => {} };
		return new Stage(dataDir, await startEmbeddedPostgres({ dataDir, log, settings }));
	}

	get url(): string {
		const { host, port, user, database } = this.postgres.connection;
		return `postgres:///${database}?host=${encodeURIComponent(host)}&port=${port}&user=${user}`;
	}

	/** Starts the system, or some of its services, in this process. */
	async start(services: readonly ServiceName[] = [], env: Readonly<Record<string, string>> = {}): Promise<Application> {
		const settings = parseSettings({
			DATABASE_URL: this.url,
			DATA_DIR: join(this.dataDir, 'app'),
			PORT: '0',
			LOG_LEVEL: 'warn',
			...env,
		});
		const application = await startApplication(services.length > 0 ? { ...settings, services } : settings);
		await application.ready;
		return application;
	}

	/** Forgets every order, so that the next measure begins with empty tables. */
	async empty(): Promise<void> {
		await this.pool.query(`TRUNCATE orders, payments, shipments, order_events, outbox_messages, inbox_messages,
			idempotency_keys, carrier_messages, dead_letters, sandbox_operations, sandbox_parcels`);
		await this.pool.query('CHECKPOINT');
	}

	async count(sql: string): Promise<number> {
		const { rows } = await this.pool.query<{ count: string }>(`SELECT count(*) AS count FROM ${sql}`);
		return Number(rows[0]?.count ?? 0);
	}

	async close(): Promise<void> {
		await this.pool.end();
		await this.postgres.stop();
		await rm(this.dataDir, { recursive: true, force: true });
	}
}
