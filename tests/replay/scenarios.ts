/** What is walked through: the constants of docs/model/Replay.cfg that differ, for each scenario. */
import type { Constants } from '../../docs/model/runs.ts';

export interface Scenario {
	readonly name: string;
	readonly constants: Constants;
	/** the steps of one walk, those that only wait included */
	readonly depth: number;
	/** how many of the recorded traces are of this scenario; its share of any other number, too */
	readonly recorded: number;
}

const set = (...names: string[]): string => `{${names.map((name) => `"${name}"`).join(', ')}}`;

export const SCENARIOS: readonly Scenario[] = [
	{
		name: 'messages',
		constants: { May: set('messages', 'cancel', 'hold', 'early'), MaxLosses: '2', MaxCrashes: '2' },
		depth: 110,
		recorded: 100,
	},
	{
		name: 'refusals',
		constants: { May: set('messages', 'cancel', 'decline', 'refuse'), MaxTime: '6' },
		depth: 90,
		recorded: 60,
	},
	{
		name: 'two orders',
		constants: {
			Orders: '{1, 2}',
			Keys: set('k', 'l'),
			May: set('messages', 'cancel', 'hold', 'refuse'),
			MaxLosses: '2',
		},
		depth: 110,
		recorded: 60,
	},
	{
		name: 'relays',
		constants: {
			Relays: '{r1, r2}',
			May: set('messages', 'cancel', 'hold', 'early', 'forget', 'double'),
			MaxLosses: '1',
		},
		depth: 120,
		recorded: 60,
	},
	{
		name: 'keys',
		constants: {
			May: set('messages', 'cancel', 'decline'),
			KeyTrust: '2',
			KeyLife: '4',
			CallLife: '1',
			AuthLife: '4',
			MaxTime: '9',
			Retention: '3',
			MaxLosses: '4',
		},
		depth: 110,
		recorded: 60,
	},
	{
		name: 'sweeper',
		constants: { May: set('cancel', 'hold', 'decline', 'refuse'), Orders: '{1, 2}', Keys: set('k', 'l') },
		depth: 100,
		recorded: 40,
	},
];

/** A scenario's constant as a whole number. */
export function constant(text: string, scenario: Scenario, name: string): number {
	const written = scenario.constants[name] ?? new RegExp(`^  ${name} = (.*)$`, 'm').exec(text)?.[1];
	const number = Number(written);
	if (!Number.isInteger(number)) throw new Error(`${name} of ${scenario.name} is ${written}`);
	return number;
}

/** How many walks of each scenario make `total`, in the shares of the recorded ones and at least one each. */
export function shares(total: number): readonly { readonly scenario: Scenario; readonly count: number }[] {
	const all = SCENARIOS.reduce((sum, { recorded }) => sum + recorded, 0);
	return SCENARIOS.map((scenario) => ({ scenario, count: Math.max(1, Math.round((total * scenario.recorded) / all)) }));
}
