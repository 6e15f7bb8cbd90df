/** Starts in places, by people and from installations that do not do: one line that names what is wrong, and exit code 1. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { findBinaries, fromPlainFolder, requireLinks } from '../../../mixins/database/embedded/host.ts';
import { makeFolder } from '../../../mixins/runtime/folders.ts';
import { ROOT, System } from '../../support/process.ts';

let root: string;
beforeAll(() => {
	root = mkdtempSync(join(tmpdir(), 'pp-places-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a folder for data', () => {
	it('is made with all that is missing above it, by several at once', async () => {
		const folder = join(root, 'Mein Laden ☕', 'a', 'b');
		await Promise.all(Array.from({ length: 8 }, () => makeFolder(folder)));
		await makeFolder(folder);
	});

	it('that cannot be made is named with the reason', async () => {
		writeFileSync(join(root, 'file'), '');
		symlinkSync(join(root, 'nowhere'), join(root, 'link'));
		symlinkSync(join(root, 'loop'), join(root, 'loop'));
		const places: readonly [string, string][] = [
			['/proc/protected-payment', 'no such file or directory (ENOENT)'],
			[join(root, 'file'), 'is a file'],
			[join(root, 'file', 'below'), 'not a directory (ENOTDIR)'],
			[join(root, 'link'), 'is a link to nothing'],
			[join(root, 'loop'), 'too many symbolic links encountered (ELOOP)'],
			[join(root, 'x'.repeat(300)), 'name too long (ENAMETOOLONG)'],
		];
		for (const [folder, reason] of places) {
			const { message } = (await makeFolder(folder).catch((error: Error) => error)) as Error;
			expect(message).toMatch(/^the folder (.*) cannot be used: [^\n]*$/);
			expect(message).toContain(`the folder ${folder} cannot`);
			expect(message.endsWith(reason)).toBe(true);
		}
	});
});

describe('npm start', () => {
	let system: System;
	beforeEach(async () => {
		system = await System.create();
	});
	afterEach(() => system.dispose());

	/** The lines beside those that say how far it has come, or that it has not come far yet. */
	async function refusal(env: Readonly<Record<string, string>>): Promise<readonly string[]> {
		const running = system.run('bin/start.ts', [], env);
		expect(await running.exited).toEqual({ code: 1, signal: null });
		return running.lines.filter((line) => !/ INFO | WARN .*: the database is not ready$/.test(line));
	}

	it.each([
		['below /proc', '/proc/protected-payment', /^the folder \/proc\/protected-payment cannot be used: no such file/],
		['that is a file', join(ROOT, 'package.json'), /package\.json is a file$/],
		['that lies too deep', join('/tmp', ...Array(9).fill('y'.repeat(120))), /lies too deep for PostgreSQL$/],
	])(
		'with a DATA_DIR %s says so in one line',
		async (_name, dataDir, line) => {
			expect(await refusal({ DATA_DIR: dataDir })).toEqual([expect.stringMatching(line)]);
			rmSync(join('/tmp', 'y'.repeat(120)), { recursive: true, force: true });
		},
		60_000,
	);

	it('by a user without a name, whom PostgreSQL refuses, says so in one line', async () => {
		const nameless = `import os from 'node:os';
			import { syncBuiltinESMExports } from 'node:module';
			process.getuid = () => 4711;
			os.userInfo = () => { throw new Error('no such user'); };
			syncBuiltinESMExports();`;
		const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(nameless)}`;
		expect(await refusal({ NODE_OPTIONS })).toEqual([expect.stringMatching(/uid 4711 .*: set DATABASE_URL/)]);
	}, 60_000);

	it('on a port that is taken, or at a HOST that is not there, says so in one line and leaves nothing running', async () => {
		const port = await freePort();
		const taken = createServer().listen(port, '127.0.0.1');
		const inUse = `The gateway cannot listen on 127.0.0.1:${port}: the port is in use`;
		expect(await refusal({ PORT: String(port) })).toEqual([inUse]);
		taken.close();
		const nowhere = await refusal({ HOST: 'no-such-host.invalid', AUTH: 'off' });
		expect(nowhere).toEqual([expect.stringMatching(/^The gateway cannot listen on no-such-host\.invalid:0: E/)]);
		expect(await system.postgresPid()).toBeUndefined();
	}, 120_000);
});

describe('an installation without install scripts', () => {
	const node = (...args: string[]): SpawnSyncReturns<string> =>
		spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });

	it('has an older Node, and is told in one line how to get the right one', () => {
		const old = `Object.defineProperty(process, 'versions', { value: { node: '20.20.2' } })`;
		const before = ['--import', `data:text/javascript,${encodeURIComponent(old)}`];
		const { status, stderr } = node(...before, '--import', './bin/runtime.mjs', '-e', 'console.error("never")');
		expect([status, stderr]).toEqual([1, expect.stringMatching(/^[^\n]*not 20\.20\.2;[^\n]*npm rebuild[^\n]*\n$/)]);
		expect(node('--import', './bin/runtime.mjs', '-e', '').stderr).toBe('');
		const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
		for (const name of ['start', 'repl', 'migrate', 'brokers'])
			expect(scripts[name]).toMatch(
				/node (?:--expose-gc --max-semi-space-size=8 )?--import \.\/bin\/runtime\.mjs bin\//,
			);
	});

	it('keeps compiled code where it may write, and does without where it may not', () => {
		const where = (env: NodeJS.ProcessEnv): string => {
			const print = 'console.log(process.getBuiltinModule("module").getCompileCacheDir())';
			const args = ['--import', './bin/runtime.mjs', '-e', print];
			const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', env });
			expect([status, stderr]).toEqual([0, '']);
			return stdout.trim();
		};
		expect(where({})).toContain(join(ROOT, 'node_modules', '.cache'));
		expect(where({ NODE_DISABLE_COMPILE_CACHE: '1' })).toBe('undefined');
	});

	it('lacks links to libraries, which is said instead of what the loader says', () => {
		const folder = join(root, 'package');
		mkdirSync(join(folder, 'native/lib'), { recursive: true });
		writeFileSync(
			join(folder, 'native/pg-symlinks.json'),
			'[{"source":"native/lib/a.so.1","target":"native/lib/a.so"}]',
		);
		expect(() => requireLinks(folder)).toThrow(/npm rebuild --ignore-scripts=false/);
		writeFileSync(join(folder, 'native/lib/a.so'), '');
		requireLinks(folder);
	});
});

it('a project in a folder whose name means something to a shell finds its PostgreSQL', async () => {
	const native = join(root, `quote'd "and" $HOME \`x\``);
	const found = findBinaries();
	for (const name of ['bin', 'lib'])
		cpSync(join(found, '..', name), join(native, name), { recursive: true, verbatimSymlinks: true });
	symlinkSync(join(found, '../share'), join(native, 'share'));
	const initdb = (folder: string): string =>
		spawnSync(join(folder, 'initdb'), ['-D', join(root, 'none'), '--set', 'no_such_setting=1'], { encoding: 'utf8' })
			.stderr;
	expect(initdb(join(native, 'bin'))).toContain('"postgres" is needed by initdb');
	let said = '';
	await fromPlainFolder(join(native, 'bin'), async (folder) => {
		said = initdb(folder);
	});
	expect(said).not.toContain('is needed by initdb');
	expect(said).toMatch(/cannot be run as root|no_such_setting/); // it has come so far
});
