/**
 * npm run bench -- [--only accept,http,drain,lateness,pending,finished] [--pairs 5] [--finished 1000000]
 * npm run bench -- --broker amqp|kafka|redis [--only relay,lateness,drain,delayed] [--pairs 5]
 *
 * Every figure is a ratio to a floor measured beside it, in alternating pairs; the median counts, the spread is printed.
 */
import { parseArgs } from 'node:util';
import { BROKER_MEASURES, benchBroker } from './broker-run.ts';
import { Floor } from './floor.ts';
import { preloadFinished, preloadPending } from './history.ts';
import { Door } from './http.ts';
import { accept, forSeconds } from './orders.ts';
import { median, Report, spread } from './report.ts';
import { drain, lateness } from './settle.ts';
import { Stage } from './stage.ts';

const MEASURES = ['accept', 'http', 'drain', 'lateness', 'pending', 'finished'] as const;

const { values } = parseArgs({
	options: {
		broker: { type: 'string' },
		only: { type: 'string', default: [...MEASURES, ...BROKER_MEASURES].join(',') },
		pairs: { type: 'string', default: '5' },
		finished: { type: 'string', default: '1000000' },
		pending: { type: 'string', default: '200000' },
		orders: { type: 'string', default: '10000' },
	},
});
const pairs = Number(values.pairs);
const chosen = new Set(values.only.split(','));

const report = new Report(pairs);

if (values.broker !== undefined) {
	await benchBroker({ scheme: values.broker, chosen, report, orders: Number(values.orders) });
	await report.write(values.broker);
	process.exit(0);
}

const stage = await Stage.open();
try {
	if (chosen.has('accept')) {
		const application = await stage.start(['orders']);
		const floor = await Floor.open(stage.postgres.connection);
		for (const [atOnce, reach] of [
			[256, '≥ 2.0'],
			[64, '≥ 1.5'],
		] as const) {
			await accept(application.broker, atOnce, forSeconds(1));
			await report.compare(
				`accepted in process, ${atOnce} at once`,
				reach,
				() => floor.measure(1.5),
				() => accept(application.broker, atOnce, forSeconds(3)),
			);
		}
		await application.stop();
		await stage.empty();
	}
	if (chosen.has('http')) {
		const starter = await stage.start(['orders']);
		await starter.stop();
		const floor = await Floor.open(stage.postgres.connection);
		const door = await Door.open(stage);
		await door.measure(2);
		await report.compare(
			'accepted over HTTP',
			'≥ 0.7',
			() => floor.measure(1.5),
			() => door.measure(4),
		);
		await door.close();
		await stage.empty();
	}
	if (chosen.has('drain')) {
		const floor = await Floor.open(stage.postgres.connection);
		const once = async (): Promise<number> => {
			const application = await stage.start();
			const rate = await drain(stage, application, Number(values.orders));
			await application.stop();
			await stage.empty();
			return rate;
		};
		await once();
		await report.compare('due at one moment → Shipped', '≥ 0.4', () => floor.measure(1.5), once);
	}
	if (chosen.has('lateness')) {
		const application = await stage.start();
		await lateness(stage, application, 200, 2);
		await application.stop();
		await stage.empty();
		const second = await stage.start();
		const late = await lateness(stage, second, 200, 20);
		await second.stop();
		await stage.empty();
		const value = `p50 ${late.p50.toFixed(1)} ms, p99 ${late.p99.toFixed(1)} ms, max ${late.max.toFixed(1)} ms; ${(late.wokenByCarrier * 100).toFixed(2)} % by the carrier`;
		report.add({ measure: 'lateness at 200/s, due → Confirmed', value, floor: '–', ratio: '–', reach: 'p99 ≤ 16 ms' });
	}
	if (chosen.has('pending')) {
		const accepting = async (waiting: number): Promise<number> => {
			const application = await stage.start();
			if (waiting > 0) await preloadPending(stage.pool, waiting);
			await application.stop();
			const orders = await stage.start(['orders']);
			await accept(orders.broker, 256, forSeconds(1));
			const rate = await accept(orders.broker, 256, forSeconds(3));
			await orders.stop();
			await stage.empty();
			return rate;
		};
		await report.compare(
			`accepting with ${values.pending} pending / none`,
			'≥ 0.97',
			() => accepting(0),
			() => accepting(Number(values.pending)),
		);
	}
	if (chosen.has('finished')) {
		const draining = async (): Promise<number> => {
			const application = await stage.start();
			const rate = await drain(stage, application, Number(values.orders));
			await application.stop();
			return rate;
		};
		await draining();
		const without: number[] = [];
		for (let pair = 0; pair < pairs; pair += 1) {
			await stage.empty();
			without.push(await draining());
		}
		await stage.empty();
		await preloadFinished(stage.pool, Number(values.finished));
		const withFinished: number[] = [];
		for (let pair = 0; pair < pairs; pair += 1) withFinished.push(await draining());
		const ratio = median(withFinished) / median(without);
		report.add({
			measure: `settling with ${values.finished} finished / none`,
			value: `${spread(withFinished, 0)}/s`,
			floor: `${spread(without, 0)}/s`,
			ratio: ratio.toFixed(2),
			reach: '≥ 0.95',
		});
	}
} finally {
	await stage.close();
}

await report.write('embedded PostgreSQL');
process.exit(0);
