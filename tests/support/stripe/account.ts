/** The merchant's account at Stripe: all that it stores, its clock, and a record of every move of money. */

import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Card } from './cards.ts';

export type Status = 'requires_payment_method' | 'requires_action' | 'requires_capture' | 'canceled' | 'succeeded';

export interface Charge {
	readonly id: string;
	readonly amount: number;
	/** milliseconds since 1970, as all times in here */
	readonly createdAt: number;
	/** when the bank lets the money go */
	readonly captureBefore: number;
	captured: number;
	refunded: number;
	/** the money went back without having been taken */
	released: boolean;
	/** the bank has let it go, and the intent does not show it yet */
	expired: boolean;
}

export interface Intent {
	readonly id: string;
	readonly clientSecret: string;
	readonly amount: number;
	readonly currency: string;
	readonly metadata: Readonly<Record<string, string>>;
	readonly description: string | null;
	readonly allowedTypes: readonly string[];
	readonly paymentMethod: string;
	readonly card: Card;
	readonly returnUrl: string | null;
	readonly createdAt: number;
	status: Status;
	canceledAt: number | null;
	cancellationReason: string | null;
	lastError: { readonly code: string; readonly decline_code?: string; readonly message: string } | null;
	charge: Charge | null;
}

export interface RefundRow {
	readonly id: string;
	readonly intent: Intent;
	readonly amount: number;
	readonly reason: string | null;
	readonly metadata: Readonly<Record<string, string>>;
	readonly createdAt: number;
	status: 'pending' | 'succeeded' | 'failed';
	failureReason: string | null;
}

export interface EventRow {
	readonly id: string;
	readonly object: 'event';
	readonly type: string;
	readonly api_version: string;
	/** seconds since 1970 */
	readonly created: number;
	readonly livemode: boolean;
	readonly data: { readonly object: { readonly id: string } };
	readonly pending_webhooks: number;
	readonly request: { readonly id: string | null; readonly idempotency_key: string | null };
}

/** `cancel`: an intent was ended that held nothing. `lapse`: the bank let go what was held. `refund failed`: it came back. */
export type Deed = 'authorize' | 'capture' | 'void' | 'refund' | 'cancel' | 'lapse' | 'refund failed';

export interface Move {
	readonly orderId: string | null;
	readonly intent: string;
	readonly deed: Deed;
	readonly outcome: 'succeeded' | 'declined' | 'refused';
	/** in Stripe's units */
	readonly amount: number;
	readonly currency: string;
	readonly at: number;
}

export interface AccountOptions {
	readonly livemode?: boolean;
	/** how long a hold lasts, in milliseconds; seven days unless given */
	readonly holdsFor?: number;
	/** where a buyer's browser is sent; the stand-in's own address unless given */
	readonly hooksUrl?: string;
}

export const API_VERSION = '2026-10-28.endive';
const WEEK = 7 * 24 * 3_600_000;

export class Account extends EventEmitter<{ event: [EventRow] }> {
	readonly livemode: boolean;
	readonly holdsFor: number;
	readonly intents = new Map<string, Intent>();
	readonly refunds = new Map<string, RefundRow>();
	readonly events: EventRow[] = [];
	readonly moves: Move[] = [];
	hooksUrl: string;
	#ahead = 0;

	constructor({ livemode = false, holdsFor = WEEK, hooksUrl = '' }: AccountOptions = {}) {
		super();
		this.livemode = livemode;
		this.holdsFor = holdsFor;
		this.hooksUrl = hooksUrl;
	}

	now(): number {
		return Date.now() + this.#ahead;
	}

	/** Stripe's clock goes on by so many milliseconds at once. */
	advance(by: number): void {
		this.#ahead += by;
	}

	id(prefix: string): string {
		return `${prefix}_3${randomBytes(11).toString('hex')}`;
	}

	move(intent: Intent, deed: Deed, amount: number, outcome: Move['outcome'] = 'succeeded'): void {
		const { id, currency, metadata } = intent;
		const orderId = metadata.order_id ?? null;
		this.moves.push({ orderId, intent: id, deed, outcome, amount, currency, at: this.now() });
	}

	/** What happened to an object, told to whoever listens. */
	tell(type: string, object: { readonly id: string }): void {
		const event: EventRow = {
			...{ id: this.id('evt'), object: 'event', type, api_version: API_VERSION, created: seconds(this.now()) },
			...{ livemode: this.livemode, data: { object }, pending_webhooks: 1 },
			request: { id: null, idempotency_key: null },
		};
		this.events.push(event);
		this.emit('event', event);
	}
}

export const seconds = (at: number): number => Math.floor(at / 1_000);
