/**
 * `npm run model:replay -- --traces 500 --seed 7`: fresh walks through the model, driven through the real code; exits
 * with 1 at the first difference. Needs Java. `--only "keys 12"` plays that one again; `--record` makes the traces of
 * `npm test` anew; `--minutes 3` ends after so long, whatever is left.
 */
import { parseArgs } from 'node:util';
import { startTestDatabase } from '../support/database.ts';
import { record } from './recorded.ts';
import { nothing, replay } from './replay.ts';
import { SCENARIOS, shares } from './scenarios.ts';
import { simulate } from './simulate.ts';
import type { Trace } from './trace.ts';
import { World } from './world.ts';

const { values } = parseArgs({
	options: {
		traces: { type: 'string', default: '300' },
		seed: { type: 'string' },
		only: { type: 'string' },
		minutes: { type: 'string', default: '600' },
		record: { type: 'boolean', default: false },
	},
});
const count = Number(values.traces);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const minutes = Number(values.minutes);
if (![count, seed].every((value) => Number.isSafeInteger(value) && value >= 0) || !(minutes > 0)) {
	console.error(
		'usage: npm run model:replay -- [--traces 300] [--seed n] [--only "scenario n"] [--minutes n] [--record]',
	);
	process.exit(2);
}

/** The scenarios take turns, so that a run that is cut short has seen all of them. */
function walks(): Trace[] {
	const [, name, number] = /^(.*) (\d+)$/.exec(values.only ?? '') ?? [];
	if (name !== undefined) {
		const scenario = SCENARIOS.find((other) => other.name === name);
		return scenario === undefined ? [] : simulate(scenario, Number(number), seed).slice(-1);
	}
	return shares(count)
		.flatMap(({ scenario, count: share }) =>
			simulate(scenario, share, seed).map((trace, index) => ({ trace, turn: index / share })),
		)
		.sort((a, b) => a.turn - b.turn)
		.map(({ trace }) => trace);
}

async function play(): Promise<void> {
	const server = await startTestDatabase();
	const began = process.hrtime.bigint();
	const seconds = (): number => Number(process.hrtime.bigint() - began) / 1e9;
	const world = await World.create(server);
	const total = nothing();
	let played = 0;
	try {
		for (const trace of walks()) {
			if (seconds() > minutes * 60) break;
			await replay(world, trace, total);
			played += 1;
		}
		const { moves, overlapped, died } = total;
		console.log(
			`${played} traces of ${SCENARIOS.length} scenarios agree: ${moves} moves, ${overlapped} pairs of open transactions, ` +
				`${died} deaths before a commit, ${seconds().toFixed(0)} s`,
		);
	} catch (error) {
		console.log(error instanceof Error ? error.message : String(error));
		console.log(
			`${played} traces agreed before this one; again: npm run model:replay -- --seed ${seed} --only "scenario n"`,
		);
		process.exitCode = 1;
	} finally {
		await world.stop();
		await server.stop();
	}
}

if (values.record) console.log(`${record()} traces recorded`);
else {
	console.log(`seed ${seed}`);
	await play();
}
