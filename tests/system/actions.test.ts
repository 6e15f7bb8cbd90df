/** What can be called: the contract's actions, and none that a mixin brings along. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Application } from '../../moleculer.config.ts';
import { startTestApplication } from '../support/application.ts';
import { startTestDatabase, type TestDatabase } from '../support/database.ts';

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

it('are those of the contract alone', () => {
	const actions = application.broker.registry.getActionList({ onlyLocal: true, skipInternal: true });
	expect(actions.map(({ name }) => name).sort()).toEqual([
		'deadletters.list',
		'deadletters.replay',
		'inbox.stats',
		...['cancel', 'create', 'get', 'history', 'hold', 'list', 'resume'].map((name) => `orders.${name}`),
		'outbox.replay',
		'outbox.stats',
		'settlement.sweep',
	]);
});
