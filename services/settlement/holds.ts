/** Holds that end soon, before the money was taken: a figure, and a line in the log. */
import { type Duration, HOUR, MINUTE } from '../../domain/time.ts';
import type { Statement } from '../../mixins/database/index.ts';
import { Loop, WaitLog } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';

/** Somebody who is told so much earlier can still do something. */
const SOON: Duration = HOUR;
const LOOK_EVERY: Duration = MINUTE;
/**
 * More orders are not looked at. Those that are stuck come first, so of orders within their window only short holds could
 * be missed. So many take about 60 ms at each scrape; an index would cost each payment a write.
 */
const MOST_LOOKED_AT = 20_000;

/** How many orders that have not ended lose their hold within an hour, and the ids of the first of them. */
export const ENDING_SOON: Statement = {
	name: 'holds-ending-soon',
	text: `SELECT count(*)::int AS ending, (array_agg(o.id::text ORDER BY p.capture_before))[1:5] AS first
		FROM (SELECT id, status FROM orders WHERE sweep_at IS NOT NULL ORDER BY sweep_at LIMIT ${MOST_LOOKED_AT}) AS o
		CROSS JOIN LATERAL (SELECT status, capture_before FROM payments WHERE order_id = o.id LIMIT 1) AS p
		WHERE o.status IN ('Pending', 'OnHold', 'Confirmed') AND p.status IN ('Authorized', 'Unknown')
			AND p.capture_before < statement_timestamp() + $1::float8 * interval '1 millisecond'`,
	values: [SOON],
};

export interface Ending {
	readonly ending: number;
	/** the ids of those that end first; null if there are none */
	readonly first: readonly string[] | null;
}

export interface WithHolds {
	watchingHolds: Loop;
	/** how many orders that have not ended lose their hold within an hour, or have lost it unnoticed */
	holdsEndingSoon: () => Promise<Ending>;
}

/** The gauge `holds_ending_soon`, and once a minute a warning while it is not 0. */
export const holds = (): Mixin<WithHolds> =>
	defineMixin<WithHolds>({
		created() {
			const { database, metrics } = this.platform;
			this.holdsEndingSoon = async () => {
				const [row] = await database.query<Ending>(ENDING_SOON);
				return row ?? { ending: 0, first: null };
			};
			metrics.read({ holds_ending_soon: WHAT }, async () => ({
				holds_ending_soon: (await this.holdsEndingSoon()).ending,
			}));
			const warning = new WaitLog(this.logger);
			this.watchingHolds = new Loop('holds', this.logger, async () => {
				const { ending, first } = await this.holdsEndingSoon();
				if (first === null) warning.over('no hold ends soon any more');
				else
					warning.warn(
						`orders that lose their money within an hour unless it is captured before: ${ending}. See pp order ${first.join(', ')}`,
						'ending',
					);
				return LOOK_EVERY;
			});
		},
		started() {
			this.watchingHolds.start();
		},
		async stopped() {
			await this.watchingHolds.stop();
		},
	});

const WHAT =
	'Orders that have not ended whose money is held for less than another hour, of the 20,000 that wait longest.';
