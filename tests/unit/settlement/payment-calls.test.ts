/** What asking the provider first comes to, where no call follows. */
import { expect, it } from '@jest/globals';
import type { PaymentCall } from '../../../domain/commands.ts';
import type { CallOutcome } from '../../../domain/payment.ts';
import type { Finding, PaymentProvider } from '../../../domain/provider.ts';
import { SandboxProvider } from '../../../mixins/providers/sandbox/provider.ts';
import { callProvider } from '../../../services/settlement/payment-calls.ts';
import { testPlatform } from '../../support/platform.ts';

const CALL: PaymentCall = {
	...{ orderId: 'o', operation: 'authorize', attempt: 3, intendedAt: 0, paymentMethod: 'card', refund: null },
	...{ idempotencyKey: 'o:authorize', amount: { minor: 100n, currency: 'USD' }, reference: null, keyUsedAt: 0 },
	...{ version: 1, asksFirst: true, mayCall: 'no', mayConclude: true, keyAged: false },
};

/** Asks a provider that finds this and must not be called. */
function ask(found: Finding, call: Partial<PaymentCall> = {}): Promise<CallOutcome> {
	const provider: PaymentProvider = {
		traits: SandboxProvider.traits,
		...{ authorize: refuse, capture: refuse, void: refuse, refund: refuse, list: refuse, pageOf: () => null },
		find: async () => found,
	};
	const self = { platform: testPlatform({ provider }), logger: { error: () => {} } };
	const asking = callProvider as (this: typeof self, ...args: Parameters<typeof callProvider>) => Promise<CallOutcome>;
	return asking.call(self, { ...CALL, ...call }, () => true, new AbortController().signal, null);
}

function refuse(): never {
	throw new Error('it was called');
}

it('a remembered error of which the list shows nothing a minute later ends the operation', async () => {
	expect(await ask({ kind: 'notFound' })).toMatchObject({ kind: 'declined', reason: 'provider error' });
	expect(await ask({ kind: 'notDone' })).toMatchObject({ kind: 'declined' });
});

it('nothing ends for want of what was not looked at', async () => {
	expect(await ask({ kind: 'notFound', inPart: true })).toMatchObject({ kind: 'unknown' });
	expect(await ask({ kind: 'notFound', inPart: false })).toMatchObject({ kind: 'declined' });
});

it('what is found counts', async () => {
	expect(await ask({ kind: 'succeeded', reference: 'r' })).toEqual({ kind: 'succeeded', reference: 'r', found: true });
});
