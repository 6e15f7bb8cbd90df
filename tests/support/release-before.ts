/** The release before this one, from the history of this repository. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './process.ts';

const run = promisify(execFile);

/** What this release has to run beside: the commit that was released last. Moves on with each release. */
export const RELEASE_BEFORE = {
	commit: '2cef18fa3ac390c3697bdd65854ec256ab4205ac',
	/** whether a process of it starts on a newer schema that does not break it; it has to from the release after this on */
	startsOnNewer: false,
} as const;

export interface OldRelease {
	/** its folder, as a clone of that commit would be after `npm ci` */
	readonly root: string;
	readonly services: readonly string[];
	dispose(): Promise<void>;
}

/** Why the release before cannot be had here; undefined if it can. */
export function missingRelease(): Promise<string | undefined> {
	const { commit } = RELEASE_BEFORE;
	return run('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: ROOT }).then(
		() => undefined,
		({ stderr }: { readonly stderr?: string }) =>
			`git has no ${commit.slice(0, 7)} here, as a clone with the whole history does: ${stderr?.trim()}`,
	);
}

/** Its files in a folder of their own, on this clone's packages. */
export async function unpackRelease(): Promise<OldRelease> {
	const root = await mkdtemp(join(tmpdir(), 'pp-release-before-'));
	const archive = join(root, 'archive.tar');
	const wanted = ['bin', 'domain', 'mixins', 'services', 'moleculer.config.ts', 'package.json'];
	await run('git', ['archive', '--output', archive, RELEASE_BEFORE.commit, ...wanted], { cwd: ROOT });
	await run('tar', ['-xf', archive, '-C', root]);
	await rm(archive);
	await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
	const files = await readdir(join(root, 'services'));
	const services = files.flatMap((file) => /^([\w-]+)\.service\.ts$/.exec(file)?.[1] ?? []);
	return { root, services, dispose: () => rm(root, { recursive: true, force: true }) };
}
