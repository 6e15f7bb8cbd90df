import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Application, startApplication } from '../../bin/application.ts';
import { parseSettings, SERVICE_NAMES, type ServiceName } from '../../mixins/settings/settings.ts';
import type { TestDatabase } from './database.ts';

/** Who calls in a test that is not about callers. */
export const META = { caller: { subject: 'tester', scopes: ['orders:admin'] } };

/** The whole system in this process, or some of its services, on a test's database. */
export async function startTestApplication(
	database: TestDatabase,
	env: Readonly<Record<string, string>> = {},
	services: readonly ServiceName[] = SERVICE_NAMES,
): Promise<Application> {
	const dataDir = await mkdtemp(join(tmpdir(), 'protected-payment-app-'));
	const settings = parseSettings({
		DATABASE_URL: database.url,
		DATA_DIR: dataDir,
		PORT: '0',
		LOG_LEVEL: 'fatal',
		CANCELLATION_WINDOW: '1s',
		...env,
	});
	const application = await startApplication({ ...settings, services });
	await application.ready;
	const stop = async (): Promise<void> => {
		await application.stop();
		await rm(dataDir, { recursive: true, force: true });
	};
	return { ...application, stop };
}
