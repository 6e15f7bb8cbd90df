// Checks docs/model/ProtectedPayment.tla with TLC: every scenario must hold, and with a guard
// taken out TLC must find a counterexample of the property that the guard is there for.
//
//   node docs/model/run.ts            everything (up to an hour)
//   node docs/model/run.ts --quick    the sizes that end within ten minutes
//   node docs/model/run.ts --only row shows what a counterexample does, step by step (a part of its name)
//
// --lanes 1 --memory 2g --minutes 40: so many runs at once, each with so much memory, and no longer than that.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Run } from './runs.ts';
import { runs } from './runs.ts';
import { configuration, javaArgs, MODEL, provideTlc } from './tlc.ts';

/** Exit codes of TLC: all well, an invariant violated, a liveness property violated. */
const HOLDS = 0;
const VIOLATED = [12, 13];

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

interface Limits {
	readonly memory: string;
	readonly minutes: number;
}

function check(run: Run, quick: boolean, { memory, minutes }: Limits): Promise<Outcome> {
	const folder = mkdtempSync(join(tmpdir(), 'tlc-run-'));
	const text = readFileSync(join(MODEL, `${run.scenario}.cfg`), 'utf8');
	copyFileSync(join(MODEL, 'ProtectedPayment.tla'), join(folder, 'ProtectedPayment.tla'));
	writeFileSync(join(folder, 'Run.cfg'), configuration(text, { ...(quick ? {} : run.full), ...run.change }, run.check));
	const began = performance.now();
	const java = spawn(
		'java',
		javaArgs(folder, memory, [
			...(run.expect === 'holds' ? ['-lncheck', 'final'] : []),
			'-config',
			'Run.cfg',
			'ProtectedPayment.tla',
		]),
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
	const limit = setTimeout(() => java.kill('SIGKILL'), minutes * 60_000);
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
	const { values } = parseArgs({
		options: {
			quick: { type: 'boolean', default: false },
			only: { type: 'string' },
			lanes: { type: 'string', default: '2' },
			memory: { type: 'string', default: '1g' },
			minutes: { type: 'string' },
		},
	});
	const { quick, only, memory } = values;
	const limits: Limits = { memory, minutes: Number(values.minutes ?? (quick ? 5 : 25)) };
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
			const outcome = await check(run, quick, limits);
			outcomes.push(outcome);
			print(outcome);
		}
	};
	await Promise.all(Array.from({ length: Number(values.lanes) }, lane));
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
