/**
 * The history checker: decides the contract's invariants I1 to I9 from outside, by what clients were answered and what
 * the provider's journal, the parcels, the history, the inbox and the outbox say. It needs the recorded answers and a
 * connection to the database (`gather` in evidence.ts), however many processes and whatever brokers took part.
 */
import type { Evidence } from './evidence.ts';
import { oneKeyOneOrder } from './rules/keys.ts';
import { armedOnce, effectsAreRecorded, oneWalk, recordedOnce } from './rules/messages.ts';
import { amountsAgree, captureFirst, moneyMovesOnce, nothingIsLost, shipsOnce, yesMeansYes } from './rules/money.ts';
import { refundsAgree } from './rules/refunds.ts';
import { INVARIANTS, type Invariant, type Judging, type Rule } from './rules/rule.ts';
import { refusedMeansBought, windowAsSeen, windowIsExact } from './rules/window.ts';
import { chosen, type Line, linesOf, type Story, storiesOf, tell } from './story.ts';

export type { Invariant, Judging } from './rules/rule.ts';

/** One invariant that one order, or one key, breaks. */
export interface Violation {
	readonly invariant: Invariant;
	/** all that is wrong with it */
	readonly what: readonly string[];
	readonly orderId: string | undefined;
	/** the story of the order, or of the orders of the key: only what shows the violation */
	readonly story: string;
	/** how many lines that is */
	readonly length: number;
}

const RULES: readonly Rule[] = [
	...[moneyMovesOnce, windowIsExact, windowAsSeen, refusedMeansBought, yesMeansYes, nothingIsLost],
	...[oneWalk, recordedOnce, effectsAreRecorded, armedOnce, captureFirst, shipsOnce, amountsAgree],
	refundsAgree,
];

const STRICT: Judging = { finished: true, complete: true, skew: 0 };

/** Every violation. Empty when all is well. */
export function judge(evidence: Evidence, judging: Partial<Judging> = {}): Violation[] {
	const stories = storiesOf(evidence);
	const byId = new Map(stories.map((story) => [story.id, story]));
	const all: Judging = { ...STRICT, ...judging };
	return [...stories.flatMap((story) => ofOrder(story, all)), ...ofKeys(evidence, byId)];
}

function ofOrder(story: Story, judging: Judging): Violation[] {
	const complaints = RULES.flatMap((rule) => rule(story, judging));
	if (complaints.length === 0) return [];
	const lines = linesOf(story);
	return [...Map.groupBy(complaints, ({ invariant }) => invariant)].map(([invariant, some]): Violation => {
		const shown = chosen(
			lines,
			some.flatMap(({ matters }) => matters),
		);
		const what = some.map((complaint) => complaint.what);
		return { invariant, what, orderId: story.id, story: tell(story, shown), length: shown.length };
	});
}

function ofKeys(evidence: Evidence, stories: ReadonlyMap<string, Story>): Violation[] {
	const ofKey = Map.groupBy(oneKeyOneOrder(evidence), ({ key }) => key);
	return [...ofKey.values()].map((complaints): Violation => {
		const ids = [...new Set(complaints.flatMap(({ orders }) => orders))];
		const told = ids.map((id): { readonly text: string; readonly lines: readonly Line[] } => {
			const story = stories.get(id);
			if (story === undefined) return { text: `  order ${id}: not known`, lines: [] };
			const lines = chosen(linesOf(story), ['answer create', 'event OrderPending']);
			return { text: tell(story, lines), lines };
		});
		return {
			...{ invariant: 'I7', what: complaints.map(({ what }) => what), orderId: ids[0] },
			story: told.map(({ text }) => text).join('\n'),
			length: told.flatMap(({ lines }) => lines).length,
		};
	});
}

/** For each invariant that is broken one text: how many break it, and the shortest story of those. */
export function report(violations: readonly Violation[]): string[] {
	const byInvariant = Map.groupBy(violations, ({ invariant }) => invariant);
	return INVARIANTS.flatMap((invariant) => {
		const broken = byInvariant.get(invariant) ?? [];
		const [shortest] = broken.toSorted((a, b) => a.length - b.length || (a.story < b.story ? -1 : 1));
		if (shortest === undefined) return [];
		const whats = shortest.what.map((what) => `${invariant}: ${what}`);
		const more = broken.length > 1 ? [`  the shortest story of ${broken.length} that break ${invariant}`] : [];
		return [[...whats, ...more, shortest.story].join('\n')];
	});
}

/** The texts of `report`; empty when all is well. */
export const violations = (evidence: Evidence, judging: Partial<Judging> = {}): string[] =>
	report(judge(evidence, judging));
