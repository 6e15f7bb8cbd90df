/** A source of random numbers in [0, 1) that a seed repeats (mulberry32). */
export type Random = () => number;

export function seeded(seed: number): Random {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let mixed = Math.imul(state ^ (state >>> 15), state | 1);
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
	};
}

/** A whole number from `least` up to, not including, `end`. */
export const between = (random: Random, least: number, end: number): number =>
	least + Math.floor(random() * (end - least));

export function pick<T>(random: Random, choices: readonly [T, ...T[]]): T {
	return choices[Math.floor(random() * choices.length)] ?? choices[0];
}
