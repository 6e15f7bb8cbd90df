import { Errors } from 'moleculer';
import type { Refusal } from '../../domain/errors.ts';
import { ADMIN_SCOPE } from './caller.ts';
import type { Placed } from './placing.ts';

const { MoleculerClientError } = Errors;

export const notFound = (): Error => new MoleculerClientError('There is no such order.', 404, 'Orders.NotFound');

export const adminsOnly = (): Error =>
	new MoleculerClientError(`This needs the scope ${ADMIN_SCOPE}.`, 403, 'Auth.ScopeMissing');

export const keyReused = (): Error =>
	new MoleculerClientError('This Idempotency-Key was used for another request.', 422, 'Idempotency.KeyReused');

export const inProgress = (): Error =>
	new MoleculerClientError('A request with this Idempotency-Key is still running.', 409, 'Idempotency.InProgress');

/** A validation error that names each wrong field. */
export const invalid = (messages: Readonly<Record<string, string>>): Error =>
	new Errors.ValidationError(
		'Parameters validation error!',
		'VALIDATION_ERROR',
		Object.entries(messages).map(([field, message]) => ({ field, message })),
	);

/** What a client is told of a refusal. */
export const refusalError = ({ code, message }: Refusal): Error =>
	code === 'Validation.Failed' ? invalid({ amount: message }) : new MoleculerClientError(message, 409, code);

/** Why no order was placed. */
export function placingError(placed: Exclude<Placed<unknown>, { readonly answer: unknown }>): unknown {
	switch (placed.kind) {
		case 'failed':
			return placed.error;
		case 'key-reused':
			return keyReused();
		case 'in-progress':
			return inProgress();
	}
}
