/** Behaviours of docs/model/Replay.tla as data. The names are the model's. */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { TlaValue } from './tla-values.ts';

export interface Message {
	readonly type: 'OrderPending' | 'OrderDue' | 'HoldExpired' | 'OrderConfirmed' | 'OrderCancelRequested' | ForShipping;
	readonly o: number;
	/** tells messages of one type and order apart */
	readonly n: number;
	/** what a wake-up was armed for */
	readonly moment: number;
}

export type ForShipping = 'PaymentCaptured' | 'ShipWaits';

export type Operation = 'authorise' | 'capture' | 'void';

export interface NetCall {
	readonly o: number;
	readonly op: Operation | 'ship';
	/** the slot that waits for the answer, or `nobody` */
	readonly from: string;
	readonly by: number;
}

export interface Work {
	readonly stage: 'idle' | 'find' | 'send' | 'wait' | 'answer';
	readonly o: number;
	readonly op: Operation | 'ship' | 'none';
	readonly ans: string;
	readonly till: number;
}

/** The variables that are compared or steer the replay; `Orders` counts from 1, arrays from 0. */
export interface State {
	readonly clock: number;
	readonly ord: readonly {
		readonly st: string;
		readonly due: number;
		readonly rest: number;
		readonly limit: number;
		readonly key: string;
		readonly ended: number;
	}[];
	readonly pay: readonly {
		readonly st: string;
		readonly op: Operation | 'none';
		readonly until: number;
		readonly first: number;
	}[];
	readonly shp: readonly { readonly st: 'none' | 'open' | 'done'; readonly until: number }[];
	readonly keys: readonly { readonly key: string; readonly o: number }[];
	readonly outbox: readonly { readonly m: Message; readonly st: 'new' | 'leased' | 'sent' }[];
	readonly relay: Readonly<Record<string, { readonly stage: string; readonly m: Message }>>;
	readonly carrier: readonly Message[];
	readonly inbox: readonly Message[];
	readonly work: Readonly<Record<string, Work>>;
	readonly net: readonly NetCall[];
	readonly bank: readonly {
		readonly hold: string;
		readonly auths: number;
		readonly captures: number;
		readonly voids: number;
		readonly mem: Readonly<Record<Operation, { readonly ans: string; readonly at: number }>>;
	}[];
	readonly parcel: readonly { readonly n: number }[];
}

const VARIABLES = [
	...(['clock', 'ord', 'pay', 'shp', 'keys', 'outbox', 'relay'] as const),
	...(['carrier', 'inbox', 'work', 'net', 'bank', 'parcel'] as const),
] satisfies (keyof State)[];

/** One step: what is done, with its argument where the states do not show it, and the state after it. */
export interface Step {
	readonly name: string;
	readonly what: TlaValue;
	readonly state: State;
}

export interface Trace {
	/** for people, such as `relays 17 of seed 4` */
	readonly name: string;
	readonly scenario: string;
	readonly steps: readonly Step[];
}

/** What a trace begins with: TLC's first state. */
export const initial = (trace: Trace): State => {
	const [first] = trace.steps;
	if (first === undefined) throw new Error(`${trace.name} is empty`);
	return first.state;
};

/** A trace from the states that TLC wrote; what only waits is left out, and most of what comes after the end. */
export function toTrace(name: string, scenario: string, behaviour: readonly Record<string, TlaValue>[]): Trace {
	const steps = behaviour.flatMap((values): Step[] => {
		const { act } = values;
		if (typeof act !== 'object' || !('do' in act)) throw new Error(`${name}: no act`);
		const { do: done, what } = act;
		if (done === 'Wait') return [];
		const state = Object.fromEntries(VARIABLES.map((variable) => [variable, values[variable]]));
		return [{ name: String(done), what: what ?? 0, state: state as unknown as State }];
	});
	const over = steps.findIndex(({ state }) => isOver(state));
	const kept = over < 0 ? steps : steps.slice(0, over + AFTER_THE_END);
	return { name, scenario, steps: kept.slice(0, kept.findLastIndex(({ name: step }) => step !== 'Tick') + 1) };
}

/** So many steps are kept of what comes after the end: late messages, late calls, purges. */
const AFTER_THE_END = 12;

const FINAL: ReadonlySet<string> = new Set(['Shipped', 'Cancelled', 'PaymentFailed']);

const isOver = ({ ord, work, net }: State): boolean =>
	ord.every(({ st }) => FINAL.has(st)) &&
	net.length === 0 &&
	Object.values(work).every(({ stage }) => stage === 'idle');

/** A step as it is stored: only the variables that it changed. */
type Packed = readonly [name: string, what: TlaValue, changed: Partial<State>];

export interface TraceFile {
	/** hash of the model that the traces were made of */
	readonly model: string;
	/** the command that makes the file anew */
	readonly madeBy: string;
	readonly traces: readonly Trace[];
}

/** JSON, compressed. */
export function pack({ model, madeBy, traces }: TraceFile): Uint8Array {
	const packed = traces.map(({ name, scenario, steps }) => ({
		...{ name, scenario },
		steps: steps.map(({ name: step, what, state }, index): Packed => {
			const before = steps[index - 1]?.state;
			const changed = Object.entries(state).filter(
				([variable, now]) => JSON.stringify(before?.[variable as keyof State]) !== JSON.stringify(now),
			);
			return [step, what, Object.fromEntries(changed)];
		}),
	}));
	return gzipSync(JSON.stringify({ model, madeBy, traces: packed }), { level: 9 });
}

export function unpack(bytes: Uint8Array): TraceFile {
	const { model, madeBy, traces } = JSON.parse(gunzipSync(bytes).toString('utf8')) as {
		model: string;
		madeBy: string;
		traces: { name: string; scenario: string; steps: Packed[] }[];
	};
	return {
		...{ model, madeBy },
		traces: traces.map(({ name, scenario, steps }) => {
			let state = {} as State;
			return {
				...{ name, scenario },
				steps: steps.map(([step, what, changed]) => {
					state = { ...state, ...changed };
					return { name: step, what, state };
				}),
			};
		}),
	};
}
