/** The board of ops/grafana, as far as the tests look at it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './process.ts';

export interface Panel {
	readonly id: number;
	readonly type: string;
	readonly title: string;
	readonly description?: string;
	readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
	readonly datasource?: { readonly type: string; readonly uid: string };
	readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
	readonly targets?: readonly {
		readonly refId: string;
		readonly expr: string;
		readonly datasource?: { readonly uid: string };
	}[];
}

export interface Board {
	readonly uid: string;
	readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
	readonly panels: readonly Panel[];
}

export const readBoard = (): Board =>
	JSON.parse(readFileSync(join(ROOT, 'ops/grafana/dashboards/protected-payment.json'), 'utf8'));

/** Every query with the name of its panel, as Grafana would send it. */
export const queriesOf = ({ panels }: Board, job: string): readonly { panel: string; query: string }[] =>
	panels.flatMap(({ title, targets = [] }) =>
		targets.map(({ expr }) => ({
			panel: title,
			query: expr.replaceAll('$job', job).replaceAll('$__rate_interval', '15s'),
		})),
	);

/** The names of metrics in a query. */
export const metricsIn = (query: string): readonly string[] =>
	Array.from(query.replaceAll(/\bby \([^)]*\)/g, '').matchAll(/\b(?:[a-z]\w*_\w+|up)(?=[{[)])/g), ([name]) => name);
