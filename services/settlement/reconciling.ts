/** Reconciliation with the provider's list: every hour, and when an operator asks for it. */
import { type Context, Errors } from 'moleculer';
import { type Duration, HOUR, type Instant, MINUTE } from '../../domain/time.ts';
import type { WithOutbox } from '../../mixins/outbox/index.ts';
import { Loop } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { type Reconciled, reconcile } from './reconciliation.ts';

/** How far back it looks unless told: a provider's answer to a key may come a day late. */
const LOOKS_BACK: Duration = 25 * HOUR;
const EVERY: Duration = HOUR;
/** How often a process looks whether it is its turn. */
const LOOK: Duration = MINUTE;

export interface WithReconciling {
	reconciling: Loop;
	readonly ending: AbortController;
	/** throws if the service stops meanwhile */
	reconcile: (since: Instant, until: Instant, dryRun: boolean) => Promise<Reconciled>;
}

interface Params {
	readonly since?: string;
	readonly until?: string;
	readonly dryRun: boolean;
}

/** The action `settlement.reconcile`, and `this.reconciling`: one process does it every hour. */
export const reconciling = (): Mixin<WithReconciling> =>
	defineMixin<WithReconciling, object, WithOutbox>({
		actions: {
			'settlement.reconcile': {
				visibility: 'public',
				timeout: 10 * MINUTE,
				params: {
					$$strict: true,
					since: { type: 'string', optional: true },
					until: { type: 'string', optional: true },
					dryRun: { type: 'boolean', convert: true, default: false },
				},
				handler({ params }: Context<Params>): Promise<Reconciled> {
					const until = momentOf('until', params.until) ?? Date.now();
					const since = momentOf('since', params.since) ?? until - LOOKS_BACK;
					return this.reconcile(since, until, params.dryRun);
				},
			},
		},
		created() {
			const { database, metrics, provider, settings, tracing } = this.platform;
			const ending = new AbortController();
			const around = {
				...{ database, metrics, outbox: this.outbox, provider, tracing },
				...{ timeout: settings.providerTimeout, log: this.logger },
			};
			this.reconcile = (since, until, dryRun) => reconcile(around, { since, until, dryRun, signal: ending.signal });
			Object.assign(this, { ending });
			this.reconciling = new Loop('reconciliation', this.logger, async () => {
				const [turn] = await database.query(TURN);
				if (turn === undefined) return LOOK;
				const now = Date.now();
				const { checked, voided, refunded } = await this.reconcile(now - LOOKS_BACK, now, false);
				this.logger.debug(`reconciled ${checked} payments: ${voided} voided, ${refunded} refunded`);
				return LOOK;
			});
		},
		started() {
			this.reconciling.start();
		},
		async stopped() {
			this.ending.abort();
			await this.reconciling.stop();
		},
	});

const TURN = {
	name: 'reconcile-turn',
	text: `INSERT INTO reconciliation AS t (began_at) VALUES (clock_timestamp())
		ON CONFLICT (only_one) DO UPDATE SET began_at = excluded.began_at
		WHERE t.began_at < excluded.began_at - $1::float8 * interval '1 millisecond' RETURNING began_at`,
	values: [EVERY],
};

/** A moment in RFC 3339; throws a validation error. */
function momentOf(field: string, text: string | undefined): Instant | undefined {
	if (text === undefined) return undefined;
	const moment = Date.parse(text);
	if (Number.isNaN(moment) || !/T.*(Z|[+-]\d\d:\d\d)$/i.test(text)) {
		throw new Errors.ValidationError('Parameters validation error!', 'VALIDATION_ERROR', [
			{ field, type: 'date', message: `The '${field}' field must be a time such as 2026-01-31T12:00:00Z.` },
		]);
	}
	return moment;
}
