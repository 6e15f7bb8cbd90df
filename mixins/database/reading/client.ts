/** The readers' connections: Sequelize's pool over the same client, the same address and the same checks as all others. */
import pg from 'pg';
import type { DatabaseAddress } from '../../settings/index.ts';
import { clientConfig, type DatabaseClient, verify } from '../client.ts';
import type { Clients } from '../clients.ts';
import { READING } from '../session.ts';

/** What Sequelize takes for the `pg` package: its client knows by itself where to connect, and takes only types from it. */
export function readerModule(address: DatabaseAddress, { Client }: Clients): object {
	class ReaderClient extends Client {
		constructor({ types }: pg.ClientConfig) {
			super({ ...clientConfig(address, READING), types });
		}

		/** Sequelize would look for the connection in its pool, which may not have it yet. It looks at this mark before each use. */
		override emit(event: string, ...args: unknown[]): boolean {
			if (event !== 'error') return super.emit(event, ...args);
			Object.assign(this, { _invalid: true });
			return true;
		}
	}
	return { Client: ReaderClient, types: pg.types };
}

/** A connection whose session fails the check is closed and never used. */
export async function checkReader(client: DatabaseClient): Promise<void> {
	try {
		await verify(client, READING);
	} catch (error) {
		client.destroy();
		throw error;
	}
}
