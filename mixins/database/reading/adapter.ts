import type { ServiceSchema } from 'moleculer';
import DbService from 'moleculer-db';
import SequelizeDbAdapter from 'moleculer-db-adapter-sequelize';
import { BaseError, ConnectionError, DatabaseError, type Model } from 'sequelize';
import { type Database, DatabaseUnavailable } from '../database.ts';
import { isNoAnswer, isTransient, unavailable } from '../trouble.ts';
import type { Models } from './models.ts';

/**
 * moleculer-db's adapter without its connection handling. The pool is shared, so it is not opened, closed or synced
 * here. A service starts even if the database is away.
 */
class ReadAdapter extends SequelizeDbAdapter {
	declare service: { readonly models: Models; readonly schema: { readonly model: 'orders' | 'events' } };
	declare model: unknown;

	override connect(): Promise<void> {
		const { models, schema } = this.service;
		this.model = models[schema.model];
		return Promise.resolve();
	}

	override disconnect(): Promise<void> {
		return Promise.resolve();
	}
}

/** What a service gets from the mixin, as `this.adapter`. */
export interface Reads<Row extends object> {
	findById(id: string): Promise<Model<Row> | null>;
	find(filters: {
		readonly query: Readonly<Record<string | symbol, unknown>>;
		readonly sort: string;
		readonly limit: number;
	}): Promise<readonly Model<Row>[]>;
}

/**
 * moleculer-db over one of the service's `models`, for reading. None of its actions is used: they are public and let
 * the caller choose query, sort and populate.
 */
export const readMixin = (model: 'orders' | 'events'): Partial<ServiceSchema> => ({
	...(DbService as unknown as Partial<ServiceSchema>), // its types do not know what it reads from a schema
	actions: {},
	...{ adapter: new ReadAdapter({}), model },
});

/** Reads; throws `DatabaseUnavailable` where the database is away or not ready. */
export async function reading<T>(database: Database, read: () => Promise<T>): Promise<T> {
	if (!database.isOpen) throw new DatabaseUnavailable('the database is not ready');
	try {
		return await read();
	} catch (error) {
		if (!isAway(error)) throw error;
		database.hear(error instanceof BaseError && 'parent' in error ? error.parent : error);
		throw unavailable(error);
	}
}

/** An error that is not about the statement: of Sequelize's pool, of a connection, or of the server itself. */
function isAway(error: unknown): boolean {
	if (error instanceof ConnectionError) return true;
	if (error instanceof DatabaseError) return isNoAnswer(error.parent) || isTransient(error.parent);
	// Connections that cannot be made reject with what they met. A bug of ours is another kind of error.
	return (
		!(error instanceof BaseError) && error instanceof Error && !PROGRAM_ERRORS.some((kind) => error instanceof kind)
	);
}

const PROGRAM_ERRORS = [TypeError, RangeError, ReferenceError, SyntaxError];
