import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { type Environment, ROOT } from './process.ts';

/** A REPL that runs. */
export interface Session {
	readonly child: ChildProcess;
	/** what it has printed so far, without colours */
	readonly output: () => string;
	readonly errors: () => string;
	/** its exit code, or the signal that ended it */
	readonly ended: Promise<number | string>;
}

/** `npm run repl`, with these lines as its whole input, or with an input that stays open. */
export function openRepl(
	env: Environment,
	input?: string,
	command = [process.execPath, join(ROOT, 'bin/repl.ts')],
): Session {
	const { PATH = '', HOME = '/' } = process.env;
	const [program = '', ...args] = command;
	const child = spawn(program, args, { env: { PATH, HOME, ...env }, stdio: 'pipe' });
	let output = '';
	let errors = '';
	child.stdout.setEncoding('utf8').on('data', (text) => {
		output += text;
	});
	child.stderr.setEncoding('utf8').on('data', (text) => {
		errors += text;
	});
	child.stdin.on('error', () => {}); // it may end before it has read all
	if (input !== undefined) child.stdin.end(input);
	return {
		child,
		output: () => stripVTControlCharacters(output),
		errors: () => stripVTControlCharacters(errors),
		ended: once(child, 'close').then(([code, signal]) => code ?? signal),
	};
}

/** One that has ended. */
export interface Outcome {
	readonly code: number | string;
	readonly output: string;
	readonly errors: string;
}

export async function runRepl(env: Environment, ...lines: string[]): Promise<Outcome> {
	const session = openRepl(env, lines.map((line) => `${line}\n`).join(''));
	const code = await session.ended;
	return { code, output: session.output(), errors: session.errors() };
}
