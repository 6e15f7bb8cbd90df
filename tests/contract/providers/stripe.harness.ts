import type { ProviderOperation } from '../../../domain/provider.ts';
import { StripeProvider } from '../../../mixins/providers/stripe/index.ts';
import type { StripeSettings } from '../../../mixins/settings/index.ts';
import type { EndpointName } from '../../support/stripe/endpoints.ts';
import { authenticate, lapse } from '../../support/stripe/intents.ts';
import { StripeStandIn, TEST_KEY } from '../../support/stripe/stand-in.ts';
import type { ProviderHarness } from './harness.ts';

const ENDPOINTS: Readonly<Record<ProviderOperation, EndpointName>> = {
	...{ authorize: 'create', capture: 'capture', void: 'cancel', refund: 'refund' },
};

export const STRIPE_CARDS: ProviderHarness['cards'] = {
	good: 'pm_card_visa',
	declined: 'pm_card_visa_chargeDeclined',
	needsBuyer: 'pm_card_authenticationRequired',
};

/** Currencies that Stripe writes in another way than ISO 4217 are among them. */
export const STRIPE_AMOUNTS: ProviderHarness['amounts'] = [
	{ minor: 1_500n, currency: 'JPY' },
	{ minor: 1_500n, currency: 'ISK' },
	{ minor: 3_500n, currency: 'UGX' },
	{ minor: 250_000n, currency: 'MGA' },
	{ minor: 12_340n, currency: 'KWD' },
	{ minor: 1_999n, currency: 'EUR' },
];

export const IMPOSSIBLE: ProviderHarness['impossible'] = [
	['currency', { minor: 1_000n, currency: 'IQD' }],
	['currency', { minor: 1_000n, currency: 'CLF' }],
	['amount', { minor: 12_345n, currency: 'KWD' }],
	['amount', { minor: 250_050n, currency: 'MGA' }],
	['amount', { minor: 100_000_000n, currency: 'USD' }],
	['amount', { minor: 1_000_000n, currency: 'ISK' }],
];

export const stripeSettings = (
	apiKey: string,
	apiBase: StripeSettings['apiBase'],
	callsPerSecond: number,
): StripeSettings => ({ apiKey, isLive: false, apiBase, webhookSecrets: [], callsPerSecond });

/** Stripe as `tests/support/stripe` stands in for it. */
export function stripeHarness(): ProviderHarness {
	let server: StripeStandIn | undefined;
	const standIn = (): StripeStandIn => {
		if (server === undefined) throw new Error('the stand-in was not started');
		return server;
	};
	return {
		cards: { ...STRIPE_CARDS, refusesCapture: 'pm_standin_captureRefused' },
		amounts: STRIPE_AMOUNTS,
		impossible: IMPOSSIBLE,
		secrets: [TEST_KEY, 'pm_', '_secret_'],
		start: async () => {
			server = await StripeStandIn.open();
		},
		stop: async () => server?.close(),
		open: () => {
			const { hostname: host, port } = new URL(standIn().url);
			const apiBase = { protocol: 'http', host, port: Number(port) } as const;
			return new StripeProvider(stripeSettings(TEST_KEY, apiBase, 1_000), 10_000);
		},
		answer: async (reference, _, outcome) => authenticate(standIn().account, reference, outcome),
		lapse: async (orderId) => {
			for (const intent of standIn().intentsOf(orderId)) lapse(standIn().account, intent);
		},
		keptErrors: (['authorize', 'capture', 'void', 'refund'] as const).flatMap((operation) => [
			[operation, 'done'] as const,
			[operation, 'not done'] as const,
		]),
		keepError: (operation, work) => {
			standIn().faults.order(ENDPOINTS[operation], work === 'done' ? 'error after' : 'error before');
			return STRIPE_CARDS.good;
		},
		loseAnswer: (operation) => {
			standIn().faults.order(ENDPOINTS[operation], 'cut');
			return STRIPE_CARDS.good;
		},
		stall: async () => {
			standIn().isSilent = true;
			return async () => {
				standIn().isSilent = false;
			};
		},
		underWay: () => standIn().underWay,
	};
}
