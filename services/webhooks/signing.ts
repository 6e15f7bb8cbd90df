/** Secrets and signatures as Standard Webhooks has them: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { Instant } from '../../domain/time.ts';

/** 24 bytes are the least that the standard allows; 64 the most. */
const SECRET_BYTES = 32;

/** A new secret of an endpoint. It is shown once, and must not be in any log, error or list. */
export const newSecret = (): string => `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;

export interface Message {
	readonly id: string;
	readonly body: string;
	readonly at: Instant;
}

/** The headers of a message; one signature for each secret, the newest first. */
export function signedHeaders({ id, body, at }: Message, secrets: readonly string[]): Readonly<Record<string, string>> {
	const signatures = secrets.map((secret) => new Webhook(secret).sign(id, new Date(at), body));
	return {
		'content-type': 'application/cloudevents+json; charset=UTF-8',
		'user-agent': USER_AGENT,
		'webhook-id': id,
		'webhook-timestamp': String(Math.floor(at / 1_000)),
		'webhook-signature': signatures.join(' '),
	};
}

const USER_AGENT = 'Protected-Payment-Webhooks/1';
