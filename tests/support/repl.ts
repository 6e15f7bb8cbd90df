import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import { type Environment, ROOT } from './process.ts';

export interface Session {
	readonly code: number | null;
	/** what it printed, without colours */
	readonly output: string;
	readonly errors: string;
}

/** `npm run repl` with these lines as its whole input. */
export async function runRepl(env: Environment, ...lines: string[]): Promise<Session> {
	const { PATH = '', HOME = '/' } = process.env;
	const child = spawn(process.execPath, [join(ROOT, 'bin/repl.ts')], { env: { PATH, HOME, ...env }, stdio: 'pipe' });
	const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
	child.stdin.on('error', () => {}); // it may end before it has read all
	child.stdin.end(lines.map((line) => `${line}\n`).join(''));
	const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
	return { code, output: stripVTControlCharacters(output), errors: stripVTControlCharacters(errors) };
}
