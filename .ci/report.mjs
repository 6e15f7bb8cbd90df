/**
 * Prints what `.ci/run` found: `node report.mjs <folder of the reports> <fuzzing runs that failed>`. A test file that
 * failed was tried again; its last try counts, and what failed before is told. Ends with 1 if more files than the budget
 * passed only when they were tried again: a machine that is busy elsewhere explains one, not many.
 */
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const ROOT = process.cwd();
const FUZZING_RUNS = 2;
const MOST_SLOW = 24;
const FLAKY_BUDGET = 1;

const [folder = '.', fuzzFailed = '0'] = process.argv.slice(2);
const reports = [1, 2, 3].map((tried) => `${folder}/tests-${tried}.json`).filter((path) => existsSync(path));
const files = new Map();
const flaky = new Set();
const seconds = new Map();
for (const path of reports) {
	for (const file of JSON.parse(readFileSync(path, 'utf8')).testResults) {
		const name = relative(ROOT, file.name);
		if (!seconds.has(name)) seconds.set(name, Math.round((file.endTime - file.startTime) / 1000));
		const again = files.has(name) ? ' again' : '';
		if (file.status !== 'failed') {
			if (again) flaky.add(name);
		} else {
			console.log(`failed${again}: ${name}`);
			for (const why of reasons(file)) console.log(`  ${why}`);
		}
		files.set(name, file);
	}
}

const slowest = [...seconds].sort(([, one], [, other]) => other - one).slice(0, MOST_SLOW);
console.log(`slowest: ${slowest.map(([name, taken]) => `${name} ${taken} s`).join(', ')}`);

const results = [...files.values()];
const count = (status) =>
	results.flatMap((file) => file.assertionResults).filter((test) => test.status === status).length;
const broken = results.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
// Tests that left no report are one failure, and so is a model that did not come to its end.
const model = readFileSync(`${folder}/model.log`, 'utf8');
const [, held = '0', lost = '1'] = /^(\d+) passed, (\d+) failed$/m.exec(model) ?? [];
const isOver = flaky.size > FLAKY_BUDGET;
const failed =
	count('failed') + broken + (isOver ? 1 : 0) + (reports.length === 0 ? 1 : 0) + Number(lost) + Number(fuzzFailed);
const passed = count('passed') + Number(held) + FUZZING_RUNS - Number(fuzzFailed);
const skipped = count('pending');
if (flaky.size > 0) {
	const over = isOver ? `, more than the ${FLAKY_BUDGET} that a run may have` : '';
	console.log(`${flaky.size} flaky${over}, passed only when tried again: ${[...flaky].join(', ')}`);
	if (isOver) process.exitCode = 1;
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);

/** Which tests of a file failed and how each begins to say why; what the file says, if it came to no test. */
function reasons({ assertionResults, message }) {
	const told = assertionResults.filter(({ status }) => status === 'failed');
	const lines = told.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages.join(' ')}`);
	return (lines.length > 0 ? lines : [message]).map((line) => line.replaceAll('\n', ' ').slice(0, 600));
}
