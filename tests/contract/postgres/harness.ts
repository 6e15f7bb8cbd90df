import { PostgresCarrier } from '../../../mixins/brokers/postgres/carrier.ts';
import { Database } from '../../../mixins/database/database.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import type { BrokerHarness, CarrierModule, Space } from '../carrier-harness.ts';

/** The PostgreSQL carrier on an embedded server of the test file's own, as durable as in production. */
export function postgresHarness(): BrokerHarness {
	let server: TestDatabase | undefined;
	const running = (): TestDatabase => {
		if (server === undefined) throw new Error('PostgreSQL was not started');
		return server;
	};
	return {
		module: import.meta.url,
		early: 0,
		transactional: true,
		start: async () => {
			server = await startTestDatabase({ durable: true });
		},
		stop: async () => server?.stop(),
		takeDown: () => running().takeDown(),
		bringUp: () => running().bringUp(),
		kill: () => running().kill('SIGKILL'),
		restart: () => running().kill('SIGQUIT'),
		clock: () => running().now(),
		space: async () => {
			await running().reset();
			return toSpace(running());
		},
	};
}

function toSpace(server: TestDatabase): Space {
	return {
		address: JSON.stringify(server.connection),
		backlog: async (group) => {
			// Rows in hand are deleted by a transaction under way, so they are counted as well.
			const [row] = await server.query<{ count: number }>(
				'SELECT count(*)::int AS count FROM carrier_messages WHERE consumer = $1',
				[group],
			);
			return row?.count ?? 0;
		},
		plan: async (group) => {
			const rows = await server.query<{ id: string; deliver_at: number }>(
				'SELECT id, deliver_at FROM carrier_messages WHERE consumer = $1',
				[group],
			);
			return new Map(rows.map(({ id, deliver_at }) => [id, deliver_at]));
		},
		hasten: async () => {
			await server.query('UPDATE carrier_messages SET deliver_at = statement_timestamp()');
		},
		tidy: async () => {
			await server.query('VACUUM ANALYZE carrier_messages');
		},
		transaction: (work) => server.database.transaction('outbox.forward', work),
	};
}

export const openCarrier: CarrierModule['openCarrier'] = (address, topology, log) => {
	const database = new Database(JSON.parse(address), log);
	database.open();
	const carrier = new PostgresCarrier(database, topology, log);
	return {
		carrier,
		release: async () => {
			await carrier.close();
			await database.close();
		},
	};
};
