/** The order's state machine, as its events show it. */
export const STATE_AFTER: Readonly<Record<string, string>> = {
	OrderPending: 'Pending',
	OrderHeld: 'OnHold',
	OrderResumed: 'Pending',
	OrderCancelRequested: 'CancelRequested',
	OrderCancelled: 'Cancelled',
	OrderConfirmed: 'Confirmed',
	OrderShipped: 'Shipped',
};

/** In which states an event may come. */
export const COMES_IN: Readonly<Record<string, readonly string[]>> = {
	OrderPending: [''],
	OrderHeld: ['Pending'],
	OrderResumed: ['OnHold'],
	OrderCancelRequested: ['Pending', 'OnHold'],
	OrderCancelled: ['CancelRequested'],
	OrderConfirmed: ['Pending'],
	OrderShipped: ['Confirmed'],
	OrderAmended: ['Pending', 'OnHold'],
	PaymentActionRequired: ['Pending', 'OnHold', 'Confirmed', 'CancelRequested'],
	PaymentAuthorized: ['Pending', 'OnHold', 'Confirmed', 'CancelRequested'],
	PaymentDeclined: ['Pending', 'OnHold', 'Confirmed', 'CancelRequested'],
	PaymentCaptured: ['Confirmed'],
	// A buyer who never answered the bank, on an order that was confirmed already.
	PaymentVoided: ['CancelRequested', 'Confirmed'],
	// Before due where the bank lets the money go.
	PaymentFailed: ['Pending', 'OnHold', 'Confirmed'],
	PaymentResolved: ['Pending', 'OnHold', 'CancelRequested', 'Confirmed'],
	RefundRequested: ['Shipped'],
	RefundSucceeded: ['Shipped'],
	RefundFailed: ['Shipped'],
};

/** The events after which an order that was not to be cancelled has failed. */
export const FAILS: ReadonlySet<string> = new Set(['PaymentDeclined', 'PaymentFailed']);

export const MAY_REPEAT: ReadonlySet<string> = new Set([
	...['OrderHeld', 'OrderResumed', 'OrderAmended', 'PaymentResolved'],
	...['RefundRequested', 'RefundSucceeded', 'RefundFailed'],
]);
