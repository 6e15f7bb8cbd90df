import { startEmbeddedPostgres } from '../mixins/database/embedded/index.ts';
import { MIGRATING, openClient, reasonOf } from '../mixins/database/index.ts';
import { MigrationFailed, migrate, migrationStatus } from '../mixins/database/migrations/index.ts';
import { abortable, complain, fail, type Log, say } from '../mixins/runtime/index.ts';
import { type DatabaseAddress, parseSettings } from '../mixins/settings/index.ts';

const USAGE = 'usage: npm run migrate -- up | down | status';

const log: Log = { debug: () => {}, info: say, warn: say, error: complain };

async function run(command: string, address: DatabaseAddress): Promise<void> {
	if (command === 'up' || command === 'down') {
		const done = await migrate(address, command, log);
		for (const name of done) say(`${command} ${name}`);
		if (done.length === 0) say('nothing to do');
		return;
	}
	const client = await openClient(address, MIGRATING);
	try {
		const { applied, pending, unknown, breaking } = await migrationStatus(client);
		const breaks = (name: string): string => (breaking.has(name) ? ` breaking: ${breaking.get(name)}` : '');
		for (const name of applied) {
			const isNew = unknown.includes(name);
			say(`applied ${name}${isNew ? ' (not known to this program)' : ''}${breaks(name)}`);
		}
		for (const name of pending) say(`pending ${name}${breaks(name)}`);
	} finally {
		await client.end();
	}
}

/** Rejects with the one line that says why the database cannot be used. */
async function reasoned(work: Promise<void>): Promise<void> {
	try {
		await work;
	} catch (error) {
		throw error instanceof MigrationFailed ? error : new Error(reasonOf(error).line);
	}
}

const giveUp = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
	process.on(signal, () => giveUp.abort(new Error(`ended by ${signal}; what was not done is as it was`)));
}

try {
	const [command = ''] = process.argv.slice(2);
	if (!['up', 'down', 'status'].includes(command)) throw new Error(USAGE);
	const { database, dataDir } = parseSettings(process.env);
	const { signal } = giveUp;
	if (database.kind === 'url') await abortable(reasoned(run(command, database.address)), signal);
	else {
		const postgres = await startEmbeddedPostgres({ dataDir, log, signal });
		try {
			await abortable(reasoned(run(command, postgres.connection)), signal);
		} finally {
			await postgres.stop();
		}
	}
} catch (error) {
	const reason: unknown = giveUp.signal.aborted ? giveUp.signal.reason : error;
	fail(reason); // a statement that was given up would be waited for
}
