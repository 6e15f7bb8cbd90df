/** Traces out of the model: TLC's simulation, repeatable by its seed. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configuration, javaArgs, MODEL, provideTlc } from '../../docs/model/tlc.ts';
import type { Scenario } from './scenarios.ts';
import { parseBehaviour } from './tla-values.ts';
import { type Trace, toTrace } from './trace.ts';

const SOURCES = ['ProtectedPayment.tla', 'Replay.tla', 'Replay.cfg'] as const;

/** Tells one version of the model from another. */
export function modelHash(): string {
	const hash = createHash('sha256');
	for (const source of SOURCES) hash.update(readFileSync(join(MODEL, source)));
	return hash.digest('hex').slice(0, 16);
}

/** `count` walks through a scenario. TLC looks at the invariants in each of their states; throws if one breaks. */
export function simulate(scenario: Scenario, count: number, seed: number): Trace[] {
	provideTlc();
	const folder = mkdtempSync(join(tmpdir(), 'tlc-walk-'));
	try {
		for (const source of SOURCES) copyFileSync(join(MODEL, source), join(folder, source));
		const text = readFileSync(join(MODEL, 'Replay.cfg'), 'utf8');
		writeFileSync(join(folder, 'Walk.cfg'), configuration(text, scenario.constants));
		const args = [
			...['-simulate', `file=${join(folder, 'walk')},num=${count}`, '-depth', String(scenario.depth)],
			...['-seed', String(seed), '-aril', '0', '-config', 'Walk.cfg', 'Replay.tla'],
		];
		const { status, stdout, error } = spawnSync('java', javaArgs(folder, '1g', args), {
			cwd: folder,
			encoding: 'utf8',
			maxBuffer: 1 << 28,
		});
		if (status !== 0) throw new Error(`TLC ended with ${status}: ${error?.message ?? ''}\n${stdout?.slice(-6_000)}`);
		const files = readdirSync(folder).filter((name) => name.startsWith('walk_'));
		const order = (name: string): number => Number(name.slice(name.lastIndexOf('_') + 1));
		return files
			.sort((a, b) => order(a) - order(b))
			.map((name, index) =>
				toTrace(
					`${scenario.name} ${index + 1} of seed ${seed}`,
					scenario.name,
					parseBehaviour(readFileSync(join(folder, name), 'utf8')),
				),
			);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
