/** The recorded traces as tests, in two files, so that two processes share the work. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startTestDatabase, type TestDatabase } from '../support/database.ts';
import { recorded } from './recorded.ts';
import { nothing, replay } from './replay.ts';
import { SCENARIOS } from './scenarios.ts';
import { World } from './world.ts';

/** Plays every second trace, from the one with this number on. */
export function playRecorded(part: 0 | 1): void {
	let server: TestDatabase;
	let world: World;
	const { traces } = recorded();
	const total = nothing();

	beforeAll(async () => {
		server = await startTestDatabase();
		world = await World.create(server);
	}, 120_000);
	afterAll(async () => {
		await world?.stop();
		await server?.stop();
	}, 60_000);

	it.each(SCENARIOS.map(({ name }) => name))(
		'the code does as the model does: %s',
		async (scenario) => {
			const mine = traces.filter((trace, index) => trace.scenario === scenario && index % 2 === part);
			expect(mine.length).toBeGreaterThanOrEqual(15);
			for (const trace of mine) await replay(world, trace, total);
		},
		900_000,
	);

	it('has seen enough of it', () => {
		console.log(`${traces.length} traces in two parts, this one: ${JSON.stringify(total)}`);
		expect(traces.length).toBeGreaterThanOrEqual(300);
		expect(total.moves).toBeGreaterThan(4_000);
		expect(total.overlapped).toBeGreaterThan(100);
		expect(total.died).toBeGreaterThan(100);
	});
}
