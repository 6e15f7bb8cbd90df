import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { shares } from './scenarios.ts';
import { modelHash, simulate } from './simulate.ts';
import { pack, type TraceFile, unpack } from './trace.ts';

const FILE = join(import.meta.dirname, 'traces.json.gz');
const SEED = 1;
const COUNT = 330;
const MADE_BY = 'npm run model:replay -- --record';

/** The traces that `npm test` plays, which needs no Java for it. */
export const recorded = (): TraceFile => unpack(readFileSync(FILE));

/** Makes them anew, after the model has changed; needs Java. Answers how many. */
export function record(): number {
	const traces = shares(COUNT).flatMap(({ scenario, count }) => simulate(scenario, count, SEED));
	writeFileSync(FILE, pack({ model: modelHash(), madeBy: MADE_BY, traces }));
	return traces.length;
}
