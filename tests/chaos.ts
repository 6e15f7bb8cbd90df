/** `npm run chaos -- --kills 200 --seed 7`: any number of kills under load; exits with 1 if an invariant broke. */
import { parseArgs } from 'node:util';
import { runChaos } from './support/chaos-run.ts';

const { values } = parseArgs({
	options: { kills: { type: 'string' }, seed: { type: 'string' }, rate: { type: 'string' } },
});
const kills = Number(values.kills ?? 50);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const perSecond = Number(values.rate ?? 40);
if (![kills, seed, perSecond].every((value) => Number.isSafeInteger(value) && value >= 0)) {
	console.error('usage: npm run chaos -- [--kills 50] [--seed n] [--rate orders-a-second]');
	process.exit(2);
}

console.log(`${kills} kills, seed ${seed}, ${perSecond} orders/s`);
const report = await runChaos({ kills, seed, perSecond, say: (line) => console.log(line) });
for (const violation of report.violations) console.log(violation);
console.log(`${report.orders} orders: ${JSON.stringify(report.ends)}; faults: ${JSON.stringify(report.faults)}`);
console.log(report.violations.length === 0 ? 'I1 to I8 hold' : `${report.violations.length} orders break an invariant`);
process.exitCode = report.violations.length === 0 ? 0 : 1;
