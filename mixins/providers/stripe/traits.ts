import type { ProviderTraits } from '../../../domain/provider.ts';
import { DAY, HOUR } from '../../../domain/time.ts';
import { refusalOf } from './amounts.ts';
import { REQUEST_VERSION } from './requests.ts';

/**
 * Stripe holds money for seven days if the buyer is there and no card is, with Visa, Mastercard, American Express and
 * Discover. It says of Visa's other hold, "5 days", that it is 4 days and 18 hours in truth, because clearing takes time;
 * the same 6 hours are kept here.
 */
export const HOLDS_FOR = 7 * DAY - 6 * HOUR;

export const traitsOf = (callsPerSecond: number): ProviderTraits => ({
	name: 'stripe',
	requestVersion: REQUEST_VERSION,
	holdsFor: HOLDS_FOR,
	callsPerSecond,
	defaultPaymentMethod: null,
	refuses: refusalOf,
});
