import type { PaymentCall } from '../../../domain/commands.ts';
import type { CallOutcome } from '../../../domain/payment.ts';
import type { PaymentOperation } from '../../../domain/provider.ts';
import { DAY, type Instant } from '../../../domain/time.ts';
import { outcome } from './order.fixtures.ts';

type Kind = CallOutcome['kind'];
type Asked = Pick<PaymentCall, 'operation' | 'idempotencyKey' | 'amount'>;

/** Operations by name, refunds by their keys: their order may have many. */
const nameOf = ({ operation, idempotencyKey }: Asked): string => (operation === 'refund' ? idempotencyKey : operation);

const FINAL: ReadonlySet<Kind> = new Set(['succeeded', 'declined', 'refused', 'gone']);

/**
 * A provider that does what it is told, once for each operation, forgets keys after a day, and never forgets what it did.
 * An authorisation may wait for the buyer, and a refund may be accepted first; both end when they are asked for.
 */
export class Provider {
	/** the operations on the money of the order, without refunds */
	readonly performed: PaymentOperation[] = [];
	/** what was given back, in minor units, each time */
	readonly given: bigint[] = [];
	readonly #captureBefore: Instant | null;
	readonly #ended = new Map<string, { readonly answer: CallOutcome; readonly since: Instant }>();
	readonly #under = new Set<string>();

	constructor(captureBefore: Instant | null) {
		this.#captureBefore = captureBefore;
	}

	/** What is true now; undefined if it knows nothing. */
	find(asked: Asked, wish: Kind, now: Instant): CallOutcome | undefined {
		const name = nameOf(asked);
		const known = this.#ended.get(name)?.answer;
		return known ?? (this.#under.has(name) ? this.#goOn(asked, wish, now) : undefined);
	}

	answer(asked: Asked, wish: Kind, now: Instant): CallOutcome {
		const name = nameOf(asked);
		const known = this.#ended.get(name);
		if (known !== undefined && now - known.since < DAY) return known.answer;
		if (this.#under.has(name)) return this.#goOn(asked, wish, now);
		const { operation } = asked;
		const kind = possible(operation, wish);
		const begins = operation === 'authorize' ? 'actionRequired' : 'pending';
		if (kind === begins) this.#under.add(name);
		return this.#end(asked, kind, now);
	}

	/** Of what waits for the buyer, or was accepted. */
	#goOn(asked: Asked, wish: Kind, now: Instant): CallOutcome {
		const isOver = wish === 'succeeded' || wish === 'declined';
		const waits = asked.operation === 'authorize' ? 'actionRequired' : 'pending';
		return this.#end(asked, isOver ? wish : waits, now);
	}

	#end(asked: Asked, kind: Kind, now: Instant): CallOutcome {
		const { operation, amount } = asked;
		const answer = outcome(kind);
		if (answer.kind === 'succeeded' && operation === 'refund') this.given.push(amount.minor);
		else if (answer.kind === 'succeeded' && operation !== 'refund') this.performed.push(operation);
		if (answer.kind === 'succeeded' && operation === 'authorize')
			Object.assign(answer, { captureBefore: this.#captureBefore });
		const isRefusedVoid = operation === 'void' && (kind === 'refused' || kind === 'declined');
		if (FINAL.has(kind) && !isRefusedVoid) this.#ended.set(nameOf(asked), { answer, since: now });
		// What is released has not been authorised by then, nor will it be.
		if (operation === 'void' && FINAL.has(kind) && !isRefusedVoid && this.#under.has('authorize')) {
			if (!this.#ended.has('authorize')) this.#ended.set('authorize', { answer: outcome('gone'), since: now });
		}
		return answer;
	}
}

/** What this operation can come to of what is wished for. */
function possible(operation: Asked['operation'], wish: Kind): Kind {
	if (wish === 'gone') return operation === 'void' ? wish : 'refused';
	if (wish === 'actionRequired') return operation === 'authorize' ? wish : 'unknown';
	if (wish === 'pending') return operation === 'refund' ? wish : 'unknown';
	if (wish === 'notDone') return operation === 'capture' || operation === 'void' ? wish : 'unknown';
	return wish;
}
