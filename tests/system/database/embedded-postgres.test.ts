import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import {
	DataDirInUse,
	type EmbeddedPostgres,
	type EmbeddedPostgresOptions,
	startEmbeddedPostgres,
} from '../../../mixins/database/embedded/index.ts';
import { type MemoryLog, memoryLog } from '../../support/database.ts';
import { PATIENCE, until } from '../../support/until.ts';

const FIXTURE = join(import.meta.dirname, '../fixtures/embedded-postgres-process.ts');
interface Report {
	readonly ready: boolean;
	readonly error?: string;
	readonly connection?: EmbeddedPostgres['connection'];
}

let backup: string;
let root: string;
let dataDir: string;
let log: MemoryLog;
let started: EmbeddedPostgres[];
let children: ChildProcess[];

beforeAll(async () => {
	backup = await mkdtemp(join(tmpdir(), 'embedded-postgres-backup-'));
	await (await startEmbeddedPostgres({ dataDir: backup, log: memoryLog() })).stop();
});

afterAll(() => rmSync(backup, { recursive: true, force: true }));

beforeEach(async () => {
	root = await mkdtemp(join(tmpdir(), 'embedded-postgres-')); // mode 0700: closed to the user that root runs PostgreSQL as
	dataDir = join(root, 'project/.data');
	log = memoryLog();
	started = [];
	children = [];
});

afterEach(async () => {
	for (const child of children) await end(child, 'SIGKILL');
	for (const postgres of started) await postgres.stop();
	const pid = await serverPid().catch(() => undefined);
	if (pid !== undefined && alive(pid)) {
		process.kill(pid, 'SIGQUIT'); // left by a killed child
		await until(() => !alive(pid));
	}
	rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
});

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
	const postgres = await startEmbeddedPostgres({ dataDir, log, ...options });
	started.push(postgres);
	return postgres;
}

function startProcess(): { child: ChildProcess; report: Promise<Report> } {
	const child = spawn(process.execPath, [FIXTURE, dataDir], { stdio: ['ignore', 'pipe', 'ignore'] });
	children.push(child);
	const { promise, resolve } = Promise.withResolvers<Report>();
	if (child.stdout) createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line)));
	return { child, report: promise };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	child.kill(signal);
	await once(child, 'exit');
}

async function query(postgres: Pick<EmbeddedPostgres, 'connection'>, sql: string): Promise<unknown[]> {
	const client = new pg.Client(postgres.connection);
	client.on('error', () => {});
	await client.connect();
	try {
		return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.flat();
	} finally {
		await client.end();
	}
}

async function serverPid(): Promise<number> {
	return Number((await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8')).split('\n')[0]);
}

/** Gives the test a database without the time for initdb: a careless copy, of the wrong owner and mode. */
function restore(): void {
	cpSync(join(backup, 'postgres'), join(dataDir, 'postgres'), { recursive: true });
}

/** Whether a process lives; a zombie that init has not collected yet does not. */
function alive(pid: number): boolean {
	const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
	return /^[^Z]/.test(stdout.trim());
}

const drafts = async () => (await readdir(dataDir)).filter((name) => name.startsWith('.initdb-'));
const draftThere = () => existsSync(dataDir) && readdirSync(dataDir).some((name) => name.startsWith('.initdb-'));
const initialising = () =>
	drafts().then(
		(names) => names.length > 0,
		() => false,
	);

describe('a start', () => {
	it('makes a database whose data outlive a stop, in a folder that others cannot enter', async () => {
		expect((await stat(root)).mode & 0o777).toBe(0o700);
		const first = await start();
		expect(await query(first, 'SELECT current_database()')).toEqual(['protected_payment']);
		await query(first, 'CREATE TABLE kept AS SELECT 42 AS value');
		const pid = await serverPid();
		await first.stop();
		await first.stop();
		expect(alive(pid)).toBe(false);
		await expect(stat(join(dataDir, 'postgres/postmaster.pid'))).rejects.toThrow('ENOENT');

		const second = await start();
		expect(await query(second, 'SELECT value FROM kept')).toEqual([42]);
	});

	it('keeps what the money needs, opens no TCP port and takes further settings', async () => {
		restore();
		const postgres = await start({ settings: { work_mem: '5MB', listen_addresses: '*' } });
		const settings = [
			'fsync',
			'synchronous_commit',
			'full_page_writes',
			'data_checksums',
			'listen_addresses',
			'work_mem',
		];
		const values = await query(postgres, `SELECT ${settings.map((name) => `current_setting('${name}')`).join()}`);
		expect(values).toEqual(['on', 'on', 'on', 'on', '', '5MB']);
		expect((await stat(postgres.connection.host)).mode & 0o777).toBe(0o700);
	});

	it('puts the socket elsewhere where its path would be too long', async () => {
		dataDir = join(root, 'a-long-name'.repeat(10), '.data');
		restore();
		const postgres = await start();
		expect(postgres.connection.host.startsWith(dataDir)).toBe(false);
		expect(await query(postgres, 'SELECT 1')).toEqual([1]);
		await postgres.stop();
		await expect(stat(postgres.connection.host)).rejects.toThrow('ENOENT');
	});

	it('says at once what is wrong with a setting', async () => {
		restore();
		await expect(start({ settings: { no_such_setting: '1' } })).rejects.toThrow(/no_such_setting/);
	});

	it('does not touch a folder that is no database', async () => {
		restore();
		await rm(join(dataDir, 'postgres/PG_VERSION'));
		await expect(start()).rejects.toThrow(/is not a database/);
	});

	/** Looks at each turn of the event loop: by the next tick of a timer initdb has begun. */
	async function beforeInitdb(): Promise<void> {
		const end = performance.now() + PATIENCE;
		while (!draftThere()) {
			if (performance.now() > end) throw new Error('there never was a draft');
			await new Promise(setImmediate);
		}
	}

	it.each([
		['while initdb works', () => until(initialising)],
		['before initdb begins', beforeInitdb],
	])('can be given up %s, and leaves nothing behind', async (_, moment) => {
		const giveUp = new AbortController();
		const attempt = start({ signal: giveUp.signal });
		attempt.catch(() => {});
		await moment();
		giveUp.abort();
		await expect(attempt).rejects.toThrow(/abort/i);
		expect((await readdir(dataDir)).filter((name) => name !== 'postgres.log')).toEqual([]);
		expect(await query(await start(), 'SELECT 1')).toEqual([1]);
	});

	it('overlooks lock files from before a reboot, even if their process id is a stranger now', async () => {
		restore();
		const postgres = await start();
		const lock = await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8');
		await postgres.stop();
		const stranger = String(process.pid);
		for (const file of [join(dataDir, 'postgres/postmaster.pid'), join(dataDir, 'run/.s.PGSQL.5432.lock')]) {
			await writeFile(file, lock.replace(/^\d+/, stranger));
		}
		expect(await query(await start(), 'SELECT 1')).toEqual([1]);
	});

	it('begins its log anew when that has grown large', async () => {
		restore();
		await (await start()).stop();
		await appendFile(join(dataDir, 'postgres.log'), Buffer.alloc(17 * 1024 * 1024, '.'));
		await start();
		expect((await stat(join(dataDir, 'postgres.log'))).size).toBeLessThan(100_000);
	});
});

describe('processes that are killed', () => {
	it('leave a server that the next start takes over', async () => {
		restore();
		const { child, report } = startProcess();
		expect(await report).toMatchObject({ ready: true });
		const pid = await serverPid();
		await end(child, 'SIGKILL');
		const begin = performance.now();
		const postgres = await start();
		console.log(`takeover: ${Math.round(performance.now() - begin)} ms`);
		expect(await serverPid()).toBe(pid);
		expect(log.lines.join()).toContain('taken over');
		expect(await query(postgres, 'SELECT 1')).toEqual([1]);
		await postgres.stop();
		expect(alive(pid)).toBe(false);
	});

	it('leave a server that is ended if it does not answer', async () => {
		restore();
		const { child, report } = startProcess();
		await report;
		const pid = await serverPid();
		await end(child, 'SIGKILL');
		process.kill(pid, 'SIGSTOP');
		const postgres = await start();
		expect(await serverPid()).not.toBe(pid);
		expect(await query(postgres, 'SELECT 1')).toEqual([1]);
	});

	it('in the middle of initdb leave nothing that is taken for a database', async () => {
		const { child } = startProcess();
		await until(initialising);
		await end(child, 'SIGKILL');
		expect(await readdir(dataDir)).not.toContain('postgres');
		expect(await drafts()).toHaveLength(1);
		expect(await query(await start(), 'SELECT 1')).toEqual([1]);
		expect(await drafts()).toEqual([]);
	});
});

describe('one process at a time', () => {
	it('is told that the folder is in use, and does no harm', async () => {
		restore();
		const { child, report } = startProcess();
		const { connection } = await report;
		await expect(start()).rejects.toThrow(DataDirInUse);
		await expect(start()).rejects.toThrow(`${dataDir} is in use by another process`);
		if (connection) expect(await query({ connection }, 'SELECT 1')).toEqual([1]);
		await end(child, 'SIGTERM'); // the child ends by itself: neither timer nor server keeps it after stop()
		expect(child.exitCode).toBe(0);
		await start();
	});

	it('wins of two first starts at once', async () => {
		const reports = await Promise.all([startProcess().report, startProcess().report]);
		expect(reports.filter(({ ready }) => ready)).toHaveLength(1);
		expect(reports.filter(({ error }) => error === 'DataDirInUse')).toHaveLength(1);
		await until(async () => (await drafts()).length === 0);
		const { connection } = reports.find(({ ready }) => ready) ?? {};
		if (connection) expect(await query({ connection }, 'SELECT 1')).toEqual([1]);
	});
});

describe('a server that ends unasked', () => {
	beforeEach(() => restore());

	/** How it went down and up, as the log says it. */
	const events = (): string[] =>
		log.lines.flatMap((line) => /PostgreSQL (ended unasked|is back)/.exec(line)?.[1]?.replace('is ', '') ?? []);

	it.each(['SIGKILL', 'SIGINT'] as const)('by %s is started again', async (signal) => {
		const postgres = await start();
		const first = await serverPid();
		process.kill(first, signal);
		await until(() => events().length === 2);
		expect(events()).toEqual(['ended unasked', 'back']);
		expect(await serverPid()).not.toBe(first);
		expect(await query(postgres, 'SELECT 1')).toEqual([1]);
		await expect(start()).rejects.toThrow(DataDirInUse);
		await postgres.stop();
		expect(events()).toEqual(['ended unasked', 'back']);
	});

	it('is started again after a takeover, too', async () => {
		const { child, report } = startProcess();
		await report;
		await end(child, 'SIGKILL');
		const postgres = await start();
		process.kill(await serverPid(), 'SIGKILL');
		await until(() => events().length === 2);
		expect(await query(postgres, 'SELECT 1')).toEqual([1]);
	});

	it('does not count when only the session of the lock did', async () => {
		const postgres = await start();
		const holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'";
		const [before] = await query(postgres, holder);
		await query(postgres, `SELECT pg_terminate_backend(${before})`);
		await until(async () => {
			const [now] = await query(postgres, holder);
			return now !== undefined && now !== before;
		});
		expect(events()).toEqual([]);
		await expect(start()).rejects.toThrow(DataDirInUse);
	});

	it('is given up if another process has the folder by then', async () => {
		let lost = 0;
		const postgres = await start({
			onLost: () => {
				lost += 1;
			},
		});
		const rival = new pg.Client({ ...postgres.connection, database: 'postgres' });
		rival.on('error', () => {}); // afterEach ends the server under it
		await rival.connect();
		const { rows } = await rival.query(
			"SELECT pid, (classid::bigint << 32) | objid::bigint AS key FROM pg_locks WHERE locktype = 'advisory'",
		);
		const waiting = rival.query('SELECT pg_advisory_lock($1)', [rows[0].key]); // first in the queue
		await until(async () => {
			const [count] = await query(postgres, "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'");
			return count === 2;
		});
		await query(postgres, `SELECT pg_terminate_backend(${rows[0].pid})`);
		await waiting;
		await until(() => lost > 0);
		await postgres.stop();
		expect((await rival.query('SELECT 1')).rowCount).toBe(1); // the server is the rival's now
		await rival.end();
		expect(lost).toBe(1);
	});

	it('again and again is started again after ever longer pauses', async () => {
		const postgres = await start();
		let lastedFor = 0;
		for (const times of [1, 2, 3, 4]) {
			const begin = performance.now();
			process.kill(await serverPid(), 'SIGINT');
			await until(() => events().length === 2 * times);
			lastedFor = performance.now() - begin;
		}
		expect(lastedFor).toBeGreaterThanOrEqual(800); // 100 ms, doubled three times
		expect(await query(postgres, 'SELECT 1')).toEqual([1]);
	});

	it('can be stopped while it is suspended, in less than 10 s', async () => {
		const postgres = await start();
		const pid = await serverPid();
		process.kill(pid, 'SIGSTOP');
		const begin = performance.now();
		await postgres.stop();
		expect(performance.now() - begin).toBeLessThan(10_000);
		expect(alive(pid)).toBe(false);
	});

	it('can be stopped while it is down', async () => {
		const postgres = await start();
		process.kill(await serverPid(), 'SIGKILL');
		await until(() => events().includes('ended unasked'));
		await postgres.stop();
		expect(await serverPid().then(alive, () => false)).toBe(false);
		expect(events()).toEqual(['ended unasked']);
	});
});
