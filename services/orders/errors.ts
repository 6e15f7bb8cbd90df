import { Errors } from 'moleculer';
import type { Placed } from './placing.ts';

const { MoleculerClientError } = Errors;

export const notFound = (): Error => new MoleculerClientError('There is no such order.', 404, 'Orders.NotFound');

/** Why no order was placed. */
export function placingError(placed: Exclude<Placed<unknown>, { readonly answer: unknown }>): unknown {
	switch (placed.kind) {
		case 'failed':
			return placed.error;
		case 'key-reused':
			return new MoleculerClientError(
				'This Idempotency-Key was used for another request.',
				422,
				'Idempotency.KeyReused',
			);
		case 'in-progress':
			return new MoleculerClientError(
				'A request with this Idempotency-Key is still running.',
				409,
				'Idempotency.InProgress',
			);
	}
}
