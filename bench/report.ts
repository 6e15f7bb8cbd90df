import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';

export interface Row {
	readonly measure: string;
	readonly value: string;
	readonly floor: string;
	readonly ratio: string;
	readonly reach: string;
}

const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);
export const median = (numbers: readonly number[]): number =>
	sorted(numbers)[Math.floor(numbers.length / 2)] ?? Number.NaN;
/** The median, with the least and the most in brackets. */
export const spread = (numbers: readonly number[], digits: number): string =>
	`${median(numbers).toFixed(digits)} (${sorted(numbers)[0]?.toFixed(digits)}–${sorted(numbers).at(-1)?.toFixed(digits)})`;

/** What was measured, said at once and kept as a table. */
export class Report {
	readonly #pairs: number;
	readonly #rows: Row[] = [];

	constructor(pairs: number) {
		this.#pairs = pairs;
	}

	/** Measures floor and subject in turn; records the median of the ratios, pair by pair. */
	async compare(
		measure: string,
		reach: string,
		floor: () => Promise<number>,
		subject: () => Promise<number>,
	): Promise<void> {
		const floors: number[] = [];
		const subjects: number[] = [];
		for (let pair = 0; pair < this.#pairs; pair += 1) {
			floors.push(await floor());
			subjects.push(await subject());
		}
		const ratios = subjects.map((value, pair) => value / (floors[pair] ?? Number.NaN));
		this.add({
			measure,
			value: `${spread(subjects, 0)}/s`,
			floor: `${spread(floors, 0)}/s`,
			ratio: spread(ratios, 2),
			reach,
		});
	}

	add(row: Row): void {
		this.#rows.push(row);
		say(`${row.measure}: ${row.value}, floor ${row.floor}, ratio ${row.ratio}; to reach ${row.reach}`);
	}

	/** Writes the table to `bench/results/` and says it. */
	async write(title: string): Promise<void> {
		const at = new Date().toISOString();
		const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`;
		const table = [
			`${title}, ${at.slice(0, 10)}, ${machine}, median of ${this.#pairs} pairs (least–most)`,
			'',
			'| measure | value | floor | ratio | to reach |',
			'|---|---|---|---|---|',
			...this.#rows.map(
				({ measure, value, floor, ratio, reach }) => `| ${measure} | ${value} | ${floor} | ${ratio} | ${reach} |`,
			),
			'',
		].join('\n');
		const folder = new URL('results/', import.meta.url);
		await mkdir(folder, { recursive: true });
		await writeFile(new URL(`${at.replaceAll(':', '-').slice(0, 19)}.md`, folder), table);
		say(table);
	}
}

export const say = (line: string): void => {
	process.stdout.write(`${line}\n`);
};
