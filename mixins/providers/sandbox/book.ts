/** The money of one order as the sandbox has it, and what follows from that. Nothing here reads or writes. */
import { randomUUID } from 'node:crypto';
import type {
	Finding,
	PaymentRequest,
	ProviderOperation,
	ProviderOutcome,
	ProviderPayment,
} from '../../../domain/provider.ts';
import { DAY, type Duration, type Instant, SECOND } from '../../../domain/time.ts';

/** How long money is held, at least. */
export const HOLDS_FOR: Duration = 7 * DAY;
/** How long money of `card_short_hold` is held. */
const SHORT_HOLD: Duration = 20 * SECOND;

interface Row {
	readonly idempotencyKey: string;
	readonly orderId: string;
	readonly operation: ProviderOperation;
	/** in minor units */
	readonly amount: bigint;
	readonly currency: string;
	/** null until the row is written */
	at: Instant | null;
}

/** A row of `sandbox_operations`: it was done, or refused for good. */
export interface Entry extends Row {
	readonly kind: 'done';
	readonly outcome: 'succeeded' | 'declined' | 'refused';
}

/** A row of `sandbox_memory`; see its migration. */
export interface Note extends Row {
	readonly kind: 'waits' | 'lapses' | 'error';
	readonly page: string | null;
	endedAs: 'succeeded' | 'failed' | 'cancelled' | null;
}

/** The row that answers a request, and whether this request has caused it. */
export interface Taken {
	readonly row: Entry | Note;
	readonly isNew: boolean;
}

type State = 'nothing' | 'waits' | 'declined' | 'held' | 'lapsed' | 'voided' | 'captured';

const NOTHING_HELD: ReadonlySet<State> = new Set(['declined', 'lapsed', 'voided']);

export class Book {
	readonly orderId: string;
	/** in the order of time */
	readonly entries: Entry[] = [];
	readonly notes: Note[] = [];
	readonly #now: Instant;

	/** `now` is the database's clock. */
	constructor(orderId: string, rows: readonly (Entry | Note)[], now: Instant) {
		this.orderId = orderId;
		this.#now = now;
		this.add(rows.length > 1 ? rows.toSorted((a, b) => (a.at ?? now) - (b.at ?? now)) : rows);
	}

	/** Later rows, which are about to be written. */
	add(rows: readonly (Entry | Note)[]): void {
		for (const row of rows) {
			if (row.kind === 'done') this.entries.push(row);
			else this.notes.push(row);
		}
	}

	get #state(): State {
		if (this.#sum('capture') > 0n) return 'captured';
		if (this.#sum('void') > 0n) return 'voided';
		const until = this.#holdsUntil;
		if (until !== null) return this.#now < until ? 'held' : 'lapsed';
		if (this.waiting !== undefined) return 'waits';
		return this.entries.some(({ operation }) => operation === 'authorize') ? 'declined' : 'nothing';
	}

	/** the authorisation that waits for the buyer, if one does */
	get waiting(): Note | undefined {
		return this.notes.find(({ kind, endedAs }) => kind === 'waits' && endedAs === null);
	}

	/** when the provider lets go what was authorised; null if nothing was */
	get #holdsUntil(): Instant | null {
		const held = this.#succeeded('authorize').at(0);
		if (held === undefined) return null;
		const isShort = this.notes.some(({ kind }) => kind === 'lapses');
		return (held.at ?? this.#now) + (isShort ? SHORT_HOLD : HOLDS_FOR);
	}

	#succeeded(operation: ProviderOperation): readonly Entry[] {
		return this.entries.filter((entry) => entry.operation === operation && entry.outcome === 'succeeded');
	}

	#sum(operation: ProviderOperation): bigint {
		return this.#succeeded(operation).reduce((sum, { amount }) => sum + amount, 0n);
	}

	/** what began the payment */
	get #authorization(): Entry | Note | undefined {
		const isAuthorization = ({ operation }: Row): boolean => operation === 'authorize';
		return this.notes.find(isAuthorization) ?? this.entries.find(isAuthorization);
	}

	/** What the provider does with a request: the rows to write, the one that answers it first; none if the key is known. */
	decide(operation: ProviderOperation, request: PaymentRequest): readonly [Entry | Note, ...Note[]] {
		const { idempotencyKey, orderId, paymentMethod: card } = request;
		const { minor, currency } = request.amount;
		// What waits or is held goes as a whole, whatever amount a void names.
		const amount = operation === 'void' ? (this.#authorization?.amount ?? minor) : minor;
		const row = { idempotencyKey, orderId, operation, amount, currency, at: null };
		if (operation === 'authorize') {
			if (card === 'card_authentication') return [{ ...row, kind: 'waits', page: randomUUID(), endedAs: null }];
			const entry: Entry = { ...row, kind: 'done', outcome: card === 'card_declined' ? 'declined' : 'succeeded' };
			return card === 'card_short_hold' ? [entry, { ...row, kind: 'lapses', page: null, endedAs: null }] : [entry];
		}
		if (!this.#may(operation, request)) return [{ ...row, kind: 'done', outcome: 'refused' }];
		const isFirst = !this.notes.some((note) => note.kind === 'error' && note.operation === operation);
		if (card === 'card_remembered_error' && operation !== 'refund' && isFirst) {
			return [{ ...row, kind: 'error', page: null, endedAs: null }];
		}
		return [{ ...row, kind: 'done', outcome: 'succeeded' }];
	}

	#may(operation: ProviderOperation, { amount, paymentMethod }: PaymentRequest): boolean {
		const state = this.#state;
		if (operation === 'void') return state === 'held' || state === 'waits';
		if (operation === 'refund') return this.#sum('refund') + amount.minor <= this.#sum('capture');
		return state === 'held' && paymentMethod !== 'card_capture_refused' && amount.minor <= this.#sum('authorize');
	}

	/** The row that a key has its first answer from. */
	rowOf(idempotencyKey: string): Entry | Note | undefined {
		const isOfKey = (row: Row): boolean => row.idempotencyKey === idempotencyKey;
		return this.notes.find((note) => note.kind !== 'lapses' && isOfKey(note)) ?? this.entries.find(isOfKey);
	}

	/** The answer of a key. */
	answer(operation: ProviderOperation, request: PaymentRequest, { row, isNew }: Taken): ProviderOutcome {
		const trail = isNew ? {} : { remembered: true };
		const isRepeat = row.operation === operation && (operation === 'void' || row.amount === request.amount.minor);
		if (!isRepeat) return KEY_REUSED;
		if (row.kind === 'waits') return { ...this.#actionRequired(row), ...trail };
		if (row.kind === 'error') return { ...INTERNAL_ERROR, remembered: !isNew };
		return { ...this.#outcome(row as Entry), ...trail };
	}

	/** What is true of an operation now. */
	find(operation: ProviderOperation, { idempotencyKey }: PaymentRequest): Finding {
		const state = this.#state;
		if (operation === 'authorize') return this.#findAuthorisation(state);
		const mine = this.entries.filter(
			(entry) => entry.operation === operation && (operation !== 'refund' || entry.idempotencyKey === idempotencyKey),
		);
		const found = mine.find(({ outcome }) => outcome === 'succeeded') ?? mine.at(-1);
		if (found !== undefined) return this.#outcome(found);
		if (state === 'nothing') return { kind: 'notFound' };
		return operation !== 'refund' && NOTHING_HELD.has(state) ? GONE : { kind: 'notDone' };
	}

	#findAuthorisation(state: State): Finding {
		switch (state) {
			case 'nothing':
				return { kind: 'notFound' };
			case 'waits':
				return this.#actionRequired(this.waiting);
			case 'lapsed':
			case 'voided':
				return GONE;
			default: {
				const [entry] = [...this.#succeeded('authorize'), ...this.entries];
				return entry === undefined ? { kind: 'notFound' } : this.#outcome(entry);
			}
		}
	}

	#outcome(entry: Entry): ProviderOutcome {
		const { operation, outcome, idempotencyKey } = entry;
		if (outcome === 'declined')
			return this.notes.some(({ endedAs }) => endedAs === 'failed') ? NOT_CONFIRMED : DECLINED;
		if (outcome === 'refused') return this.#wasGone(entry) ? GONE : refused(operation);
		if (operation === 'authorize') {
			return { kind: 'succeeded', reference: this.reference, captureBefore: this.#holdsUntil };
		}
		return { kind: 'succeeded', reference: operation === 'refund' ? `refund_${idempotencyKey}` : null };
	}

	/** True if it was refused because nothing was held any more. */
	#wasGone(refusal: Entry): boolean {
		if (refusal.operation === 'authorize' || refusal.operation === 'refund') return false;
		const earlier = this.entries.slice(0, this.entries.indexOf(refusal));
		const state = new Book(this.orderId, [...earlier, ...this.notes], refusal.at ?? this.#now).#state;
		return NOTHING_HELD.has(state);
	}

	/** the provider's name for the authorisation */
	get reference(): string {
		return `auth_${this.orderId}`;
	}

	#actionRequired(note: Note | undefined): Extract<ProviderOutcome, { kind: 'actionRequired' }> {
		const url = `${SANDBOX_PAGES}${note?.page}`;
		return {
			kind: 'actionRequired',
			reference: this.reference,
			action: { type: 'redirect', url, clientSecret: null },
		};
	}

	/** The payment for reconciliation; undefined if there was none. */
	get payment(): ProviderPayment | undefined {
		const asked = this.#authorization;
		if (asked === undefined) return undefined;
		return {
			...{ orderId: this.orderId, reference: this.reference, createdAt: asked.at ?? this.#now },
			currency: asked.currency,
			held: this.#state === 'held' ? this.#sum('authorize') : 0n,
			captured: this.#sum('capture'),
			refunded: this.#sum('refund'),
			waits: this.#state === 'waits',
		};
	}
}

/** The pages of the sandbox, as a path of the gateway: the sandbox does not know under which address buyers see it. */
export const SANDBOX_PAGES = '/sandbox/payments/';

type Said<K extends ProviderOutcome['kind']> = Extract<ProviderOutcome, { kind: K }>;

const DECLINED: Said<'declined'> = { kind: 'declined', reason: 'The card was declined.', code: 'card_declined' };
const NOT_CONFIRMED: Said<'declined'> = {
	kind: 'declined',
	reason: 'The buyer did not confirm the payment.',
	code: 'authentication_failed',
};
const GONE: Said<'gone'> = { kind: 'gone', reason: 'Nothing is held any more.', code: 'nothing_held' };
const INTERNAL_ERROR: Said<'unknown'> = { kind: 'unknown', reason: 'an internal error', code: 'internal_error' };
const KEY_REUSED: Said<'unknown'> = {
	kind: 'unknown',
	reason: 'the key was used for another request',
	code: 'key_reused',
};
const refused = (operation: ProviderOperation): Said<'refused'> => ({
	kind: 'refused',
	reason: `The provider refused to ${operation}.`,
	code: `${operation}_refused`,
});
