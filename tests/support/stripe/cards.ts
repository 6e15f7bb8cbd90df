/** The payment methods of Stripe's test mode, as far as an order can meet them. */

export interface Card {
	/** the bank's no to an authorisation: code and decline code */
	readonly declines?: readonly [string, string];
	/** the buyer must act first */
	readonly authenticates?: boolean;
	/** what becomes of a refund after a while */
	readonly refund?: 'fails' | 'succeeds later';
	/** not one of Stripe's: held, and then the bank says no to the capture */
	readonly refusesCapture?: boolean;
}

const declining = (code: string, declineCode = code): Card => ({ declines: [code, declineCode] });

const DECLINED = {
	chargeDeclined: declining('card_declined', 'generic_decline'),
	chargeDeclinedInsufficientFunds: declining('card_declined', 'insufficient_funds'),
	chargeDeclinedExpiredCard: declining('expired_card'),
	chargeDeclinedProcessingError: declining('processing_error'),
};

/** Newer code writes `pm_card_visa_chargeDeclined`, older code leaves out the brand. */
const declinedCards = Object.entries(DECLINED).flatMap(([name, card]): [string, Card][] => [
	[`pm_card_${name}`, card],
	[`pm_card_visa_${name}`, card],
]);

export const CARDS: ReadonlyMap<string, Card> = new Map<string, Card>([
	['pm_card_visa', {}],
	['pm_card_mastercard', {}],
	['pm_card_amex', {}],
	...declinedCards,
	['pm_card_threeDSecure2Required', { authenticates: true }],
	['pm_card_authenticationRequired', { authenticates: true }],
	['pm_card_refundFail', { refund: 'fails' }],
	['pm_card_pendingRefund', { refund: 'succeeds later' }],
	['pm_standin_captureRefused', { refusesCapture: true }],
]);
