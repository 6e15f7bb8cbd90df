/** What can be called: the contract's actions, and none that a mixin brings along. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Application } from '../../../bin/application.ts';
import { META, startTestApplication } from '../../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

let database: TestDatabase;
let application: Application;
beforeAll(async () => {
	database = await startTestDatabase();
	application = await startTestApplication(database);
});
afterAll(async () => {
	await application.stop();
	await database.stop();
});

it('are those of the contract alone, and what the gateway needs beside them', () => {
	const actions = application.broker.registry.getActionList({ onlyLocal: true, skipInternal: true });
	expect(actions.map(({ name }) => name).sort()).toEqual([
		'consumers.pause',
		'consumers.resume',
		'deadletters.list',
		'deadletters.replay',
		'inbox.stats',
		'operations.overview',
		...['amend', 'cancel', 'changes', 'create', 'get', 'history', 'hold', 'list', 'refund', 'refunds', 'resume'].map(
			(name) => `orders.${name}`,
		),
		'outbox.replay',
		'outbox.stats',
		'payments.list',
		'payments.resolve',
		'settlement.news',
		'settlement.reconcile',
		'settlement.sandboxAnswer',
		'settlement.sandboxPage',
		'settlement.sweep',
		...['create', 'delete', 'deliveries', 'get', 'list', 'redeliver', 'rotateSecret', 'update'].map(
			(name) => `webhooks.${name}`,
		),
	]);
});

it('that wait until their caller may have been answered change nothing any more', async () => {
	const { broker } = application;
	const { id } = await broker.call<{ id: string }, object>(
		'orders.create',
		{ productName: 'tea', amount: 1, cancellationWindow: '10m' },
		{ meta: META },
	);
	const other = new pg.Client(database.connection);
	await other.connect();
	await other.query('BEGIN');
	await other.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [id]);
	const begin = performance.now();
	const call = broker.call('orders.hold', { id }, { meta: META, timeout: 1_500 });
	call.catch(() => {});
	await until(async () => (await database.query('SELECT FROM pg_locks WHERE NOT granted')).length > 0);
	await until(() => performance.now() - begin > 1_100);
	await other.query('COMMIT');
	await expect(call).rejects.toMatchObject({ type: expect.stringMatching(/^(CALL_TOO_LATE|REQUEST_TIMEOUT)$/) });
	await other.query('SELECT FROM orders WHERE id = $1 FOR UPDATE', [id]); // after the call, whose lock it was
	await other.end();
	expect(await broker.call('orders.get', { id }, { meta: META })).toMatchObject({ status: 'Pending' });
}, 20_000);
