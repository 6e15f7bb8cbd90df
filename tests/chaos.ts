/** `npm run chaos -- --kills 200 --seed 7 [--broker kafka]`: so many kills under load; exits with 1 if an invariant broke. */
import { parseArgs } from 'node:util';
import { BROKER_KINDS } from './support/broker-kinds.ts';
import { runChaos } from './support/chaos-run.ts';
import { runClusterChaos } from './support/cluster-chaos.ts';

const { values } = parseArgs({
	options: {
		kills: { type: 'string' },
		seed: { type: 'string' },
		rate: { type: 'string' },
		broker: { type: 'string' },
	},
});
const kills = Number(values.kills ?? 50);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const perSecond = Number(values.rate ?? (values.broker === undefined ? 40 : 10));
const kind = BROKER_KINDS.find(({ scheme }) => scheme === values.broker);
const schemes = BROKER_KINDS.map(({ scheme }) => scheme);
if (
	![kills, seed, perSecond].every((value) => Number.isSafeInteger(value) && value >= 0) ||
	(values.broker !== undefined && kind === undefined)
) {
	console.error(
		`usage: npm run chaos -- [--kills 50] [--seed n] [--rate orders-a-second] [--broker ${schemes.join(' | ')}]`,
	);
	process.exit(2);
}

console.log(`${kills} kills, seed ${seed}, ${perSecond} orders/s${kind === undefined ? '' : ` on ${kind.scheme}`}`);
const say = (line: string): void => console.log(line);
const report =
	kind === undefined
		? await runChaos({ kills, seed, perSecond, say })
		: await runClusterChaos({ kind, kills, seed, perSecond, wipe: true, say });
for (const violation of report.violations) console.log(violation);
console.log(`${report.orders} orders: ${JSON.stringify(report.ends)}; faults: ${JSON.stringify(report.faults)}`);
console.log(report.violations.length === 0 ? 'I1 to I8 hold' : `${report.violations.length} orders break an invariant`);
process.exitCode = report.violations.length === 0 ? 0 : 1;
