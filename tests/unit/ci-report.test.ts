/** What `.ci/report.mjs` makes of the reports of a run. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ROOT } from '../support/process.ts';

let folder: string;

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), 'pp-report-'));
	writeFileSync(join(folder, 'model.log'), '5 passed, 0 failed\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** One file's results, as Jest writes them. */
const file = (name: string, status: 'passed' | 'failed') => ({
	...{ name: join(ROOT, name), status, startTime: 0, endTime: 1_000, message: '' },
	assertionResults: [{ status, fullName: `${name} holds`, failureMessages: status === 'failed' ? ['not so'] : [] }],
});

function report(...tries: readonly (readonly ReturnType<typeof file>[])[]): { code: number | null; lines: string[] } {
	for (const [index, testResults] of tries.entries())
		writeFileSync(join(folder, `tests-${index + 1}.json`), JSON.stringify({ testResults }));
	const { status, stdout } = spawnSync(process.execPath, ['.ci/report.mjs', folder, '0'], {
		cwd: ROOT,
		encoding: 'utf8',
	});
	return { code: status, lines: stdout.trim().split('\n') };
}

it('a run without a failure says how much passed', () => {
	const { code, lines } = report([file('a.test.ts', 'passed'), file('b.test.ts', 'passed')]);
	expect([code, lines.at(-1)]).toEqual([0, '9 passed, 0 failed']);
	expect(lines.join()).not.toContain('flaky');
});

it('a file that passed only when it was tried again is counted and named, and one is borne', () => {
	const { code, lines } = report(
		[file('a.test.ts', 'failed'), file('b.test.ts', 'passed')],
		[file('a.test.ts', 'passed')],
	);
	expect([code, ...lines.slice(-2)]).toEqual([
		0,
		'1 flaky, passed only when tried again: a.test.ts',
		'9 passed, 0 failed',
	]);
	expect(lines).toContain('failed: a.test.ts');
});

it('two such files fail the run', () => {
	const { code, lines } = report(
		[file('a.test.ts', 'failed'), file('b.test.ts', 'failed')],
		[file('a.test.ts', 'passed'), file('b.test.ts', 'failed')],
		[file('b.test.ts', 'passed')],
	);
	expect([code, ...lines.slice(-2)]).toEqual([
		1,
		'2 flaky, more than the 1 that a run may have, passed only when tried again: a.test.ts, b.test.ts',
		'9 passed, 1 failed',
	]);
});

it('a file that fails each time is a failure, and not flaky', () => {
	const broken = [file('a.test.ts', 'failed')];
	const { lines } = report(broken, broken, broken);
	expect(lines.at(-1)).toBe('7 passed, 1 failed');
	expect(lines.join()).not.toContain('flaky');
});
