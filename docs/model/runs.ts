// What is run: each scenario as it is, then the same model with a guard (or an assumption) taken out.

export type Constants = Readonly<Record<string, string>>;

export interface Run {
	readonly name: string;
	/** The configuration file, without `.cfg`. */
	readonly scenario: string;
	/** Constants that differ from the configuration file. */
	readonly change?: Constants;
	/** Constants of the larger size, for the run without `--quick`. */
	readonly full?: Constants;
	/** Left out by `--quick`. */
	readonly fullOnly?: boolean;
	/** The one property to look at, instead of all that the scenario names. */
	readonly check?: { readonly property: string; readonly liveness?: boolean };
	readonly expect: 'holds' | 'violated';
}

const set = (...names: string[]): string => `{${names.map((name) => `"${name}"`).join(', ')}}`;

const scenario = (name: string, full: Constants = {}): Run => ({ name, scenario: name, full, expect: 'holds' });

/** Properties of whole behaviours, not of states: that something comes to pass in the end. */
const LIVENESS: ReadonlySet<string> = new Set(['I4', 'I4OrPerson', 'EndLeavesNothing', 'RefundsEnd']);

const look = (property: string): NonNullable<Run['check']> => ({ property, liveness: LIVENESS.has(property) });

/** The guards are taken out, and TLC must find a counterexample of the property. */
const without = (guards: string[], scenario: string, property: string, more: Constants = {}): Run => ({
	name: `without ${guards.join(' + ')}`,
	scenario,
	change: { Removed: set(...guards), ...more },
	check: look(property),
	expect: 'violated',
});

/** The guards are taken out, and another one covers them: the property still holds. */
const covered = (guards: string[], scenario: string, property: string, by: string): Run => ({
	...without(guards, scenario, property),
	name: `without ${guards.join(' + ')}, covered by ${by}`,
	expect: 'holds',
});

/** Not a guard of ours: what the protocol assumes of the world around it. */
const assuming = (name: string, scenario: string, property: string, change: Constants): Run => ({
	name: `unless ${name}`,
	scenario,
	change,
	check: look(property),
	expect: 'violated',
});

/** Keys age so fast that a crash between intent and call is found too late. */
const ageing: Constants = {
	KeyTrust: '1',
	KeyLife: '4',
	CallLife: '1',
	MaxTime: '2',
	Assume: set('capture is told', 'parcel keys last', 'time suffices'),
};

/** The way to the parcel service without detours, so that its counterexample is near. */
const parcelOnly: Constants = { May: '{}', Settlers: '{s1}', MaxLosses: '0' };

export const runs: readonly Run[] = [
	scenario('Money', { MaxTime: '5', MaxCrashes: '2', MaxLosses: '2' }),
	scenario('Keys', { MaxTime: '6', MaxLosses: '2', MaxCrashes: '1' }),
	scenario('Messages', { MaxTime: '5' }),
	scenario('Hold', { MaxTime: '5', MaxWakes: '5' }),
	scenario('TwoOrders', { MaxTime: '3', Shippers: '{h1}' }),
	scenario('Relays', { MaxTime: '2', May: set('messages', 'cancel', 'only relays die') }),
	scenario('Prompt'),
	scenario('NothingLost', { MaxTime: '2', May: set('messages', 'cancel', 'forget', 'double') }),
	scenario('Calm', { MaxTime: '2' }),
	scenario('Memory', { MaxTime: '4' }),
	scenario('MemoryEnds', { MaxLosses: '3' }),
	scenario('Authenticate', { MaxTime: '5', HoldLimit: '2' }),
	scenario('AuthenticateEnds', { MaxTime: '4' }),
	scenario('Lapse', { MaxLosses: '2' }),
	scenario('Amend', { MaxTime: '5', MaxLosses: '2' }),
	scenario('Refunds', { MaxLosses: '2' }),
	scenario('RefundsEnd', { MaxTime: '3' }),
	scenario('Person', { MaxTime: '4', MaxLosses: '2' }),

	without(['inbox'], 'Hold', 'I5'),
	without(['row lock'], 'Money', 'I3', { Settlers: '{s1}', MaxCrashes: '0', MaxLosses: '0' }),
	without(['clock under lock'], 'Money', 'I2'),
	without(['due check'], 'Messages', 'I2'),
	without(['window check'], 'Money', 'I2'),
	without(['create key'], 'TwoOrders', 'I7'),
	without(['provider key'], 'Money', 'I1'),
	without(['parcel key'], 'Money', 'I8', parcelOnly),
	without(['intent'], 'Money', 'EndHoldsNothing'),
	covered(['key age'], 'Keys', 'I1', 'find before repeat'),
	without(['key age', 'find before repeat'], 'Keys', 'I1'),
	without(['attemptUntil'], 'Money', 'OneCall'),
	covered(['attemptUntil'], 'Prompt', 'I1', 'the provider key'),
	covered(['provider key'], 'Prompt', 'I1', 'attemptUntil'),
	without(['attemptUntil', 'provider key'], 'Prompt', 'I1'),
	without(['attemptUntil', 'parcel key'], 'Prompt', 'I8', { Shippers: '{h1, h2}' }),
	without(['void last'], 'Money', 'EndHoldsNothing'),
	without(['open outcome'], 'Money', 'StatesAgree'),
	without(['ship check'], 'Money', 'I6'),
	without(['purge after end'], 'Messages', 'I5'),
	without(['sweeper'], 'NothingLost', 'I4'),
	{ ...covered(['start next'], 'NothingLost', 'I4', 'the sweeper'), fullOnly: true },
	without(['start next', 'sweeper'], 'Calm', 'I4'),
	without(['rearm', 'sweeper'], 'Calm', 'I4'),
	without(['sent after publish', 'sweeper'], 'Calm', 'I4'),

	without(['find before repeat'], 'MemoryEnds', 'I4'),
	without(['remembered only'], 'Money', 'EndHoldsNothing'),
	without(['no second key for authorise'], 'Memory', 'I1'),
	without(['no second key for refund'], 'Refunds', 'RefundsMoveOnce'),
	without(['stored amount'], 'Amend', 'OneBody'),
	without(['amended amount'], 'Amend', 'I9'),
	{ ...without(['row lock'], 'Amend', 'I9', { Settlers: '{s1}', MaxLosses: '0' }), name: 'without row lock (amend)' },
	without(['cancel at the provider'], 'Authenticate', 'EndHoldsNothing'),
	without(['ask at due'], 'Authenticate', 'ActedInTime'),
	without(['latest question'], 'Authenticate', 'ActedInTime'),
	without(['void before failed'], 'Authenticate', 'EndHoldsNothing'),
	without(['cancel after a decline'], 'Authenticate', 'EndHoldsNothing'),
	without(['gone is told'], 'Lapse', 'I6'),
	without(['rest in pause'], 'Lapse', 'PauseFits'),
	without(['refund lock'], 'Refunds', 'I9'),
	without(['decision checked'], 'Person', 'I6'),
	without(['decision waits'], 'Person', 'EndTookNothing'),
	without(['reconcile'], 'MemoryEnds', 'EndLeavesNothing'),
	{ ...without(['reconcile'], 'RefundsEnd', 'RefundsEnd'), name: 'without reconcile (refunds)' },

	assuming('calls are sent in time', 'Keys', 'I1', { Assume: set('capture is told', 'parcel keys last') }),
	assuming('parcel keys last', 'Money', 'I8', { ...parcelOnly, Assume: set('capture is told') }),
	assuming('a person decides (aged, not found)', 'NothingLost', 'I4', {
		...ageing,
		May: set('messages', 'forget'),
		MaxLosses: '0',
	}),
	{
		name: 'nothing lost, or a person decides',
		scenario: 'NothingLost',
		change: { ...ageing, May: set('messages', 'forget'), MaxLosses: '0' },
		check: look('I4OrPerson'),
		expect: 'holds',
		fullOnly: true,
	},
	{
		name: 'though "already captured" reads as refused',
		scenario: 'Keys',
		change: { Assume: set('sent in time', 'parcel keys last') },
		full: { MaxTime: '7' },
		expect: 'holds',
		fullOnly: true,
	},
	assuming('what answered an error is never done later (a hold)', 'Memory', 'EndHoldsNothing', {
		May: set('cancel', 'memory', 'later', 'reconcile'),
	}),
	assuming('what answered an error is never done later (a capture)', 'Memory', 'EndTookNothing', {}),
	{
		name: 'where an error is never done later',
		scenario: 'Memory',
		change: { May: set('cancel', 'memory', 'reconcile') },
		check: look('EndHoldsNothing'),
		expect: 'holds',
	},
	assuming('find asks what is, and no index of it', 'Memory', 'EndHoldsNothing', {
		May: set('cancel', 'memory', 'search', 'reconcile'),
	}),
	assuming('the provider checks the sum of refunds', 'Refunds', 'I9', {
		Assume: set('capture is told', 'parcel keys last'),
	}),
	assuming('calls of two operations may overlap', 'Money', 'OneCallOfAnyKind', {}),
];
