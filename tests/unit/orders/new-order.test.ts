/** What may be ordered depends on the provider; whether a request repeats an earlier one does not. */
import { describe, expect, it } from '@jest/globals';
import type { ProviderTraits } from '../../../domain/provider.ts';
import { DAY, HOUR } from '../../../domain/time.ts';
import { readNewOrder } from '../../../services/orders/new-order.ts';
import type { CreateParams } from '../../../services/orders/params.ts';

const PROVIDER: ProviderTraits = {
	...{ name: 'stripe', requestVersion: 1, holdsFor: 7 * DAY, callsPerSecond: 20, defaultPaymentMethod: null },
	refuses: ({ minor, currency }) => {
		if (currency === 'IQD') return { field: 'currency', message: 'Not here.' };
		return minor > 1_000n ? { field: 'amount', message: 'Too much.' } : undefined;
	},
};
const SANDBOX: ProviderTraits = {
	...PROVIDER,
	name: 'sandbox',
	defaultPaymentMethod: 'card_ok',
	refuses: () => undefined,
};
const DEFAULTS = { cancellationWindow: 600_000, defaultCurrency: 'USD', holdLimit: DAY };
const TEA: CreateParams = { productName: 'Tea', amount: '10', paymentMethod: 'pm_1', idempotencyKey: 'k' };

const read = (params: CreateParams, provider = PROVIDER) => readNewOrder(params, 'buyer', DEFAULTS, provider);

/** The complaints about a new order; none if it can be placed. */
function complaints(params: CreateParams, provider = PROVIDER): unknown {
	const { command } = read(params, provider);
	return command.ok ? [] : (command.error as Error & { data: unknown }).data;
}

it('an order that the provider can take is placed', () => {
	expect(read(TEA).command).toMatchObject({ ok: true, value: { paymentMethod: 'pm_1', cancellationWindow: 600_000 } });
});

it('a card is what the provider takes for granted, or has to be named', () => {
	const { paymentMethod: _, ...unnamed } = TEA;
	expect(read(unnamed, SANDBOX).command).toMatchObject({ ok: true, value: { paymentMethod: 'card_ok' } });
	expect(complaints(unnamed)).toEqual([{ field: 'paymentMethod', message: 'Is missing.' }]);
});

describe('a new order is refused', () => {
	it.each<[Partial<CreateParams>, readonly object[]]>([
		[{ amount: '10.01' }, [{ field: 'amount', message: 'Too much.' }]],
		[{ currency: 'IQD' }, [{ field: 'currency', message: 'Not here.' }]],
		[{ currency: 'XXX' }, [{ field: 'currency', message: expect.stringContaining('ISO 4217') }]],
		[{ amount: '10.001' }, [{ field: 'amount', message: 'Has more decimals than the currency.' }]],
		[{ cancellationWindow: '8581m' }, [{ field: 'cancellationWindow', message: 'Must be at most 143h.' }]],
		[
			{ amount: '11', cancellationWindow: '7d' },
			[
				{ field: 'amount', message: 'Too much.' },
				{ field: 'cancellationWindow', message: 'Must be at most 143h.' },
			],
		],
	])('%j', (changes, expected) => {
		expect(complaints({ ...TEA, ...changes })).toEqual(expected);
		expect(read({ ...TEA, ...changes }).idempotency?.key).toBe('k');
	});

	it('but not a window that just fits', () => {
		expect(complaints({ ...TEA, cancellationWindow: `${(7 * DAY - HOUR - DAY) / HOUR}h` })).toEqual([]);
	});
});

it('a repetition is known by what it says, whatever the provider takes today', () => {
	const of = (params: CreateParams, provider: ProviderTraits) => read(params, provider).idempotency?.fingerprint;
	const { paymentMethod: _, ...unnamed } = TEA;
	for (const params of [TEA, unnamed, { ...TEA, amount: '11' }, { ...TEA, currency: 'IQD' }]) {
		expect(of(params, PROVIDER)).toBe(of(params, SANDBOX));
	}
	expect(of(TEA, PROVIDER)).not.toBe(of({ ...TEA, paymentMethod: 'pm_2' }, PROVIDER));
});

it('what was never acceptable is thrown out at once', () => {
	expect(() => read({ ...TEA, amount: '0' })).toThrow();
	expect(() => read({ ...TEA, productName: '' })).toThrow();
});
