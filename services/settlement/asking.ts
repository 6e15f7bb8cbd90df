/** The question that the provider is asked before a person decides. */
import type { PaymentCall } from '../../domain/commands.ts';
import type { Resolution } from '../../domain/decision.ts';
import { voidOf } from '../../domain/paying.ts';
import type { Finding } from '../../domain/provider.ts';
import { outside } from '../../mixins/calls/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import { abortable, type Log, tell } from '../../mixins/runtime/index.ts';
import { providerGateOf } from './provider-gate.ts';

/**
 * What the provider says of the operation; null if it does not answer. Where it still waits for the buyer, and the person
 * does not want to wait any longer, that is ended there first: an order that has ended leaves nothing behind that could
 * still hold money.
 */
export async function askBefore(
	platform: Platform,
	log: Log,
	call: PaymentCall,
	{ outcome }: Resolution,
	ending: AbortSignal,
): Promise<Finding | null> {
	const { provider, settings } = platform;
	const { orderId } = call;
	const gate = providerGateOf(platform);
	// One limit for both: when it is over, others may call.
	const signal = AbortSignal.any([ending, AbortSignal.timeout(settings.providerTimeout)]);
	let found: Finding | null = null;
	try {
		if (!gate.opens()) return null;
		found = gate.heard(
			await abortable(
				outside(platform, { operation: 'find', orderId, cause: null }, () =>
					provider.find(call.operation, call, signal),
				),
				signal,
			),
		);
		if (found.kind !== 'actionRequired' || outcome === 'authorized') return found;
		const waits = voidOf(call, found.reference);
		const ended = gate.heard(
			await abortable(
				outside(platform, { operation: 'void', orderId, cause: null }, () => provider.void(waits, signal)),
				signal,
			),
		);
		return ended.kind === 'succeeded' || ended.kind === 'gone' ? null : found;
	} catch (error) {
		ending.throwIfAborted();
		tell(log, 'debug', `order ${call.orderId}: the provider does not answer a question before a decision`, error);
		return found;
	}
}
