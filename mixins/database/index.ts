export { joinedTexts, plainArray, splitTexts, storable, textArray } from './arrays.ts';
export { clientConfig, DatabaseClient, openClient, verify } from './client.ts';
export { CLOCK, type Clock, DatabaseClock, readClock } from './clock.ts';
export { inserting } from './columns.ts';
export { Database, isTransient, type Transaction } from './database.ts';
export { IMPATIENT, isNobodysFault, isTimeOut, limited } from './impatience.ts';
export { instant, instants, NOW } from './instants.ts';
export { EVENT } from './orders-columns.ts';
export {
	existingOrders,
	firstLookBefore,
	lockFreeOrders,
	lockOrders,
	lockOverdueOrders,
	lookForOverdue,
	type Overdue,
	type StoredOrder,
} from './orders-locking.ts';
export {
	type ClockAndPayments,
	insertOrders,
	insertPayments,
	readClockAndPayments,
	storeShipments,
	updateOrders,
	updatePayments,
} from './orders-store.ts';
export { meterConnections } from './pool-metrics.ts';
export { DatabaseReadiness, type Reader } from './readiness.ts';
export { type ChangedRefunds, readRefunds, storeRefunds } from './refunds-store.ts';
export { SchemaGate } from './schema-gate.ts';
export { holding, MIGRATING } from './session.ts';
export type { Statement } from './statement.ts';
export { reasonOf } from './trouble.ts';
