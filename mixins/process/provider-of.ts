import { CAPTURE_MARGIN } from '../../domain/payment.ts';
import type { PaymentProvider, ProviderTraits } from '../../domain/provider.ts';
import type { Database } from '../database/index.ts';
import { SandboxProvider } from '../providers/index.ts';
import { formatDuration, type Settings, SettingsError } from '../settings/index.ts';

/**
 * The company that `PAYMENT_PROVIDER` names, once there is a database. Throws a `SettingsError` if it does not hold money
 * for long enough.
 */
export async function providerOf(settings: Settings): Promise<(database: Database) => PaymentProvider> {
	const { paymentProvider, providerTimeout, sandboxLatency, stripe } = settings;
	if (paymentProvider === 'sandbox') {
		requireHold(settings, SandboxProvider.traits);
		return (database) => new SandboxProvider(database, sandboxLatency);
	}
	// Stripe's library takes 20 MB, which only those pay who need it.
	const { StripeProvider } = await import('../providers/stripe/index.ts');
	const provider = new StripeProvider(stripe, providerTimeout);
	requireHold(settings, provider.traits);
	return () => provider;
}

/** An order that is paused as long as may be is still captured before the money is let go. */
function requireHold({ cancellationWindow, holdLimit }: Settings, traits: ProviderTraits): void {
	const most = traits.holdsFor - CAPTURE_MARGIN;
	if (cancellationWindow + holdLimit <= most) return;
	throw new SettingsError(
		`CANCELLATION_WINDOW=${formatDuration(cancellationWindow)} and HOLD_LIMIT=${formatDuration(holdLimit)} are too long ` +
			`together: ${traits.name} holds money for ${formatDuration(traits.holdsFor)}; accepted: at most ${formatDuration(most)} in all`,
	);
}
