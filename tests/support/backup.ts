/** The commands of docs/operations.md, "Back-up", with the real programs of PostgreSQL. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './process.ts';

/** A folder with `pg_dump`, `pg_restore` and `psql`, where those of the path are too old. */
const FOLDER = process.env.PG_BIN;
const PATH = [FOLDER, process.env.PATH].filter((part) => part !== undefined).join(':');
/** That of the embedded server: an older pg_dump refuses it. */
const NEEDED = 18;

/** Undefined if `pg_dump` can dump the embedded PostgreSQL, else why not. */
export const withoutPgDump: string | undefined = (() => {
	if (process.env.REQUIRE_PG_DUMP === '1') return undefined;
	const { stdout, error } = spawnSync('pg_dump', ['--version'], { env: { ...process.env, PATH }, encoding: 'utf8' });
	if (error !== undefined) return 'there is no pg_dump';
	const version = Number(/ (\d+)\./.exec(stdout)?.[1]);
	return version >= NEEDED
		? undefined
		: `pg_dump ${version} is older than the server; PG_BIN names the folder of another`;
})();

const [, section = ''] = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8').split('\n## Back-up\n');
const scripts = Array.from(
	(section.split('\n## ')[0] ?? '').matchAll(/^```sh\n(.*?)^```$/gms),
	([, text = '']) => text,
);

/** The one script of the page that has this in it. */
function scriptWith(mark: string): string {
	const [found, ...others] = scripts.filter((script) => script.includes(mark));
	if (found === undefined || others.length > 0) throw new Error(`'${mark}' is not in one script of the page`);
	return found;
}

/** Runs a script of the page in a folder, as its reader would, up to the first command that fails. */
export async function follow(mark: string, cwd: string, env: Readonly<Record<string, string>>): Promise<string> {
	const { stdout } = await promisify(execFile)('sh', ['-ec', scriptWith(mark)], { cwd, env: { PATH, ...env } });
	return stdout;
}

/** `DATABASE_URL` of an embedded PostgreSQL, as the page finds it. */
export async function socketUrl(dataDir: string): Promise<string> {
	const script = `${scriptWith('sed -n 5p')}printf %s "$DATABASE_URL"`;
	const { stdout } = await promisify(execFile)('sh', ['-ec', script], { env: { PATH, DATA_DIR: dataDir } });
	return stdout;
}
