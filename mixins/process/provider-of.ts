import { CAPTURE_MARGIN } from '../../domain/payment.ts';
import type { PaymentProvider } from '../../domain/provider.ts';
import type { Database } from '../database/index.ts';
import { SandboxProvider } from '../providers/index.ts';
import { formatDuration, type Settings, SettingsError } from '../settings/index.ts';

/** The company that `PAYMENT_PROVIDER` names. Throws a `SettingsError` if it does not hold money for long enough. */
export async function providerOf(settings: Settings, database: Database): Promise<PaymentProvider> {
	const provider = await open(settings, database);
	requireHold(settings, provider);
	return provider;
}

async function open(settings: Settings, database: Database): Promise<PaymentProvider> {
	const { paymentProvider, providerTimeout, sandboxLatency, stripe } = settings;
	if (paymentProvider === 'sandbox') return new SandboxProvider(database, sandboxLatency);
	// Stripe's library takes 20 MB, which only those pay who need it.
	const { StripeProvider } = await import('../providers/stripe/index.ts');
	return new StripeProvider(stripe, providerTimeout);
}

/** An order that is paused as long as may be is still captured before the money is let go. */
function requireHold({ cancellationWindow, holdLimit }: Settings, { traits }: PaymentProvider): void {
	const most = traits.holdsFor - CAPTURE_MARGIN;
	if (cancellationWindow + holdLimit <= most) return;
	throw new SettingsError(
		`CANCELLATION_WINDOW=${formatDuration(cancellationWindow)} and HOLD_LIMIT=${formatDuration(holdLimit)} are too long ` +
			`together: ${traits.name} holds money for ${formatDuration(traits.holdsFor)}; accepted: at most ${formatDuration(most)} in all`,
	);
}
