/** What a buyer may know of a decline. The rest ("stolen card", say) is for the merchant alone, in `code`. */
const DECLINES: Readonly<Record<string, string>> = {
	insufficient_funds: 'The card was declined: there is not enough money.',
	expired_card: 'The card was declined: it has expired.',
	incorrect_cvc: 'The card was declined: its security code is wrong.',
	authentication_required: 'The card was declined: the bank asks the buyer to confirm the payment.',
	payment_intent_authentication_failure: 'The buyer did not confirm the payment at the bank.',
};

/** The reason of a decline, for the buyer. */
export const declineReason = (code: string | null | undefined): string =>
	DECLINES[code ?? ''] ?? 'The card was declined.';
