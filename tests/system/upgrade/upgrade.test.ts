import { afterAll, expect, it } from '@jest/globals';
import { redis } from '../../../bin/brokers/redis.ts';
import { BROKER_KINDS } from '../../support/broker-kinds.ts';
import { describeBroker } from '../../support/brokers.ts';
import { missingRelease, RELEASE_BEFORE, unpackRelease } from '../../support/release-before.ts';
import { runUpgrade } from '../../support/upgrade-run.ts';

const LONGEST = 600_000;
/** `UPGRADE_SECONDS` of each of the three stages; more orders a second with `UPGRADE_RATE`. */
const stage = Number(process.env.UPGRADE_SECONDS ?? 4) * 1_000;
const perSecond = Number(process.env.UPGRADE_RATE ?? 8);

const missing = await missingRelease();
const before = missing === undefined ? await unpackRelease() : undefined;
afterAll(() => before?.dispose());

if (before === undefined) {
	const name = 'this release beside the one before it';
	if (process.env.REQUIRE_RELEASE_BEFORE) {
		it(name, () => {
			throw new Error(missing);
		});
	}
	// A copy without history has no release before it; `.ci/run` requires one.
	else it.skip(`${name} (skipped: ${missing})`, () => {});
} else {
	for (const kind of BROKER_KINDS) {
		await describeBroker(kind, `this release and ${RELEASE_BEFORE.commit.slice(0, 7)} on ${kind.scheme}`, () => {
			it(
				'run side by side, with the migration in between: nobody is answered but 2xx, 409 and 503, and I1 to I10 hold',
				async () => {
					const seed = Number(process.env.UPGRADE_SEED ?? Date.now() % 1_000_000);
					const said: string[] = [`UPGRADE_SEED=${seed}`];
					const begun = performance.now();
					const say = (line: string): void => void said.push(line);
					const report = await runUpgrade({ kind, before, seed, perSecond, stage, andBack: kind === redis, say });
					const seconds = Math.round((performance.now() - begun) / 1_000);
					const { requests, answers, refusals, orders, ends, migrated, migrating, told } = report;
					console.log(
						`${kind.scheme}, seed ${seed}: ${requests} requests, ${orders} orders, ${told} events told, ${seconds} s, ${migrating} ms to migrate`,
						...[answers, refusals, ends, migrated, said],
					);
					expect(report.violations.length === 0 ? [] : [...said, ...report.violations]).toEqual([]);
					expect(orders).toBeGreaterThan(50);
					expect(told).toBeGreaterThan(10);
					expect(Object.keys(ends).sort()).toEqual(['Cancelled', 'PaymentFailed', 'Shipped']);
				},
				LONGEST,
			);
		});
	}
}
