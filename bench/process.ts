import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Stage } from './stage.ts';

/** A program that serves HTTP on a stage's database, in a process of its own. */
export interface Served {
	readonly url: string;
	/** resolves when it has ended */
	close(): Promise<void>;
}

/** Resolves when the program says where it listens. */
export async function serve(program: string, stage: Stage): Promise<Served> {
	const env = {
		...process.env,
		DATABASE_URL: stage.url,
		DATA_DIR: `${stage.dataDir}/served`,
		PORT: '0',
		LOG_LEVEL: 'warn',
	};
	const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
	const close = async (): Promise<void> => {
		child.kill('SIGTERM');
		await once(child, 'exit');
	};
	for await (const line of createInterface({ input: child.stdout })) {
		const url = /listens on (\S+);/.exec(line)?.[1];
		if (url !== undefined) return { url, close };
	}
	throw new Error(`${program} did not start`);
}
