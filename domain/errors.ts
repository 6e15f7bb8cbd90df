/** Why a command is refused; each is a code that clients see. */
export type RefusalCode =
	| 'Orders.NotFound'
	| 'Orders.WindowClosed'
	| 'Orders.InvalidState'
	| 'Refunds.TooMuch'
	| 'Validation.Failed';

/** An expected refusal: a code for programs, a sentence for people. */
export interface Refusal {
	readonly code: RefusalCode;
	readonly message: string;
}

export const windowClosed = (message: string): Refusal => ({ code: 'Orders.WindowClosed', message });

export const invalidState = (message: string): Refusal => ({ code: 'Orders.InvalidState', message });

export const tooMuch = (message: string): Refusal => ({ code: 'Refunds.TooMuch', message });

/** The amount that was asked for is not one that the order can have. */
export const invalidAmount = (message: string): Refusal => ({ code: 'Validation.Failed', message });

/** A step that the state machine does not allow. It is a bug in the caller, never a buyer's mistake. */
export class IllegalTransition extends Error {
	override readonly name = 'IllegalTransition';
}
