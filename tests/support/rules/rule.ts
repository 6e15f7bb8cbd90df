import type { Choice, Story } from '../story.ts';

export const INVARIANTS = ['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9'] as const;

export type Invariant = (typeof INVARIANTS)[number];

/** What is wrong, and the lines of the order's story that show it. */
export interface Complaint {
	readonly invariant: Invariant;
	readonly what: string;
	readonly matters: readonly Choice[];
}

export interface Judging {
	/** every order has had the time to come to its end */
	readonly finished: boolean;
	/** nothing was purged: inbox and outbox are complete */
	readonly complete: boolean;
	/** how far the clients' clock may be off the database's, in milliseconds */
	readonly skew: number;
}

export type Rule = (story: Story, judging: Judging) => Complaint[];

/** Complaints of one invariant that are shown by the same lines. */
export const complain = (invariant: Invariant, matters: readonly Choice[], ...whats: (string | false)[]): Complaint[] =>
	whats.flatMap((what) => (what === false ? [] : [{ invariant, what, matters }]));
