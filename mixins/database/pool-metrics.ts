import type { Metrics } from '../observability/index.ts';
import type { Database } from './database.ts';

/** How the pool is used, at each scrape. */
export function meterConnections(metrics: Metrics, database: Database): void {
	metrics.readEach('database_connections', 'Connections to the database, by what they do.', 'state', () => {
		const { total, idle } = database.connections;
		return { busy: total - idle, idle };
	});
	metrics.read({ database_connections_awaited: 'Pieces of work that wait for a connection to the database.' }, () => ({
		database_connections_awaited: database.connections.waiting,
	}));
}
