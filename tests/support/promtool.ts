/** Prometheus' own programs. Debian's package `prometheus` has both; where they are required, a missing one fails the test. */
import { spawnSync } from 'node:child_process';

const has = (program: string): boolean =>
	process.env.REQUIRE_PROMTOOL === '1' || spawnSync(program, ['--version']).error === undefined;

export const PROMTOOL = has('promtool');
export const PROMETHEUS = has('prometheus');

/** The title of a test, with the reason if it is skipped. */
export const titled = (title: string, found: boolean): string =>
	found ? title : `${title} (skipped: it is not installed; Debian's package prometheus has it)`;

/** What promtool said, and its exit code. */
export function promtool(args: readonly string[], input = ''): { said: string; status: number | null } {
	const { status, stdout, stderr, error } = spawnSync('promtool', args, { input, encoding: 'utf8' });
	if (error !== undefined) throw error;
	return { said: stdout + stderr, status };
}
