/** Endpoints and deliveries as actions answer with them. Times are RFC 3339; a secret is only in the answer that makes it. */
import type { Instant } from '../../domain/time.ts';
import type { DeliveryStatus } from '../../domain/webhook.ts';
import { isoText } from '../../mixins/runtime/index.ts';

export interface EndpointDto {
	readonly id: string;
	readonly url: string;
	/** null: all */
	readonly types: readonly string[] | null;
	readonly description: string | null;
	readonly status: 'enabled' | 'disabled';
	readonly createdAt: string;
}

/** With the secret that was made just now. */
export interface SecretDto extends EndpointDto {
	readonly secret: string;
}

export interface DeliveryDto {
	readonly eventId: string;
	readonly type: string;
	readonly status: DeliveryStatus;
	readonly attempts: number;
	/** null once it has ended, and while the endpoint is disabled */
	readonly nextAttemptAt: string | null;
	readonly responseStatus: number | null;
	readonly error: string | null;
}

export interface EndpointRow extends Omit<EndpointDto, 'createdAt'> {
	readonly created_at: Instant;
}

export const endpointToDto = ({ created_at, ...row }: EndpointRow): EndpointDto => ({
	id: row.id,
	url: row.url,
	types: row.types,
	description: row.description,
	status: row.status,
	createdAt: isoText(created_at),
});

export interface DeliveryRow {
	readonly event_id: string;
	readonly type: string;
	readonly status: DeliveryStatus;
	readonly attempts: number;
	readonly next_attempt_at: Instant | null;
	readonly response_status: number | null;
	readonly error: string | null;
}

export const deliveryToDto = (row: DeliveryRow): DeliveryDto => ({
	eventId: row.event_id,
	type: row.type,
	status: row.status,
	attempts: row.attempts,
	nextAttemptAt: row.next_attempt_at === null ? null : isoText(row.next_attempt_at),
	responseStatus: row.response_status,
	error: row.error,
});
