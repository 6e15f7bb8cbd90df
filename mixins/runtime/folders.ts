import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { getSystemErrorMessage } from 'node:util';

/**
 * Makes a folder, and those above it that are missing. Rejects with one line that names the folder and says why not.
 * Node's own way with `recursive` never ends below /proc, and says of a read-only file system that something is missing.
 */
export async function makeFolder(path: string): Promise<void> {
	try {
		const missing: string[] = [];
		for (let folder = path; !(await isFolder(folder)); folder = dirname(folder)) missing.unshift(folder);
		for (const folder of missing) {
			await mkdir(folder).catch(async (error: NodeJS.ErrnoException) => {
				if (error.code !== 'EEXIST') throw error;
				if (!(await isFolder(folder))) throw new Error(`${folder} is a link to nothing`);
			});
		}
	} catch (error) {
		const { errno, code, message } = error as NodeJS.ErrnoException;
		const reason = errno === undefined ? message : `${getSystemErrorMessage(errno)} (${code})`;
		throw new Error(`the folder ${path} cannot be used: ${reason}`);
	}
}

/** False if there is nothing yet; rejects if there is something else. */
async function isFolder(path: string): Promise<boolean> {
	const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
		if (error.code === 'ENOENT') return undefined;
		throw error;
	});
	if (found !== undefined && !found.isDirectory()) throw new Error(`${path} is a file`);
	return found !== undefined;
}
