/** A trace as what is done one after the other: one move is one call of the real code. */
import type { TlaValue } from './tla-values.ts';
import { initial, type Message, type NetCall, type State, type Step, type Trace, type Work } from './trace.ts';

export interface Move {
	readonly name: string;
	readonly what: TlaValue;
	readonly before: State;
	readonly after: State;
	/** all states that the move goes through; two where one transaction is two actions of the model */
	readonly states: readonly State[];
}

const GOES_ON: ReadonlySet<string> = new Set(['SweepGoesOn', 'SweepWithoutSlotGoesOn']);

/** What the sweeper does by the clock alone; its transaction goes on after that. */
function isHalf({ name, what }: Step, { ord, clock }: State): boolean {
	if (name === 'SweepWithoutSlot') return true;
	const order = ord[Number(what) - 1];
	if (name !== 'Sweep' || order === undefined) return false;
	return (order.st === 'Pending' && clock >= order.due) || (order.st === 'OnHold' && clock >= order.limit);
}

/** A transaction that the end of the trace cuts in two is left out. */
export function movesOf(trace: Trace): Move[] {
	const moves: Move[] = [];
	let before = initial(trace);
	for (let at = 1; at < trace.steps.length; at += 1) {
		const step = trace.steps[at];
		if (step === undefined) break;
		const rest = isHalf(step, before) ? trace.steps[at + 1] : undefined;
		if (isHalf(step, before)) {
			if (rest === undefined) break;
			if (!GOES_ON.has(rest.name)) throw new Error(`${trace.name}: ${step.name} does not go on`);
			at += 1;
		}
		const states = rest === undefined ? [step.state] : [step.state, rest.state];
		const after = rest?.state ?? step.state;
		moves.push({ name: step.name, what: step.what, before, after, states });
		before = after;
	}
	return moves;
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** What of a set came, or went. */
export const added = <T>(before: readonly T[], after: readonly T[]): T[] =>
	after.filter((one) => !before.some((other) => isSame(one, other)));

/** The message that a move handles. */
export function messageOf({ name, what, before, after }: Move): Message | undefined {
	if (name === 'DeliverInVain') return what as unknown as Message;
	if (name === 'Acknowledge') return added(after.carrier, before.carrier)[0];
	return name.startsWith('Handle') ? added(before.inbox, after.inbox)[0] : undefined;
}

/** The call that arrives. */
export const callOf = ({ what }: Move): NetCall => what as unknown as NetCall;

/** The order that a move is about; 0 where it is about none. */
export function orderOf(move: Move): number {
	const { name, what, before, after } = move;
	if (name === 'Refused') return Number((what as { o: number }).o);
	if (name === 'Create') return after.ord.findIndex(({ st }, index) => st !== before.ord[index]?.st) + 1;
	if (typeof what === 'number' && what > 0) return what;
	const slot = slotOf(move);
	return messageOf(move)?.o ?? (slot === undefined ? 0 : workOf(after, slot).o || workOf(before, slot).o);
}

export function workOf({ work }: State, slot: string): Work {
	const found = work[slot];
	if (found === undefined) throw new Error(`no slot ${slot}`);
	return found;
}

/** The slot whose call goes on with a move; undefined where none does. */
export function slotOf({ name, what, before, after }: Move): string | undefined {
	if (typeof what === 'string' && what in before.work) return what;
	if (name.startsWith('Relay')) return undefined;
	return Object.keys(before.work).find((slot) => {
		const [was, is] = [workOf(before, slot), workOf(after, slot)];
		return was.stage !== is.stage || was.ans !== is.ans;
	});
}

/** A slot of a service that has nothing in hand. */
export const idleSlot = ({ work }: State, kind: 's' | 'h'): string | undefined =>
	Object.keys(work).find((slot) => slot.startsWith(kind) && work[slot]?.stage === 'idle');
