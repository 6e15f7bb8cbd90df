/** What a person sees of the board, and Grafana does not check. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { alertsOf } from '../../../ops/prometheus/alerts.ts';
import { metricsIn, readBoard } from '../../support/board.ts';
import { ROOT } from '../../support/process.ts';

const board = readBoard();
const drawn = board.panels.filter(({ type }) => type !== 'row');
const expressions = drawn.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));

describe('the board', () => {
	it('has a row for each matter', () =>
		expect(board.panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual([
			'Orders and money: what needs a person',
			'Lateness of the ends of windows',
			'Backlog and age of the outbox',
			'Calls to the payment provider',
			'Webhooks',
			'Database and processes',
			'HTTP',
		]));

	it('has panels with ids and titles of their own', () => {
		expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
		expect(new Set(board.panels.map(({ title }) => title)).size).toBe(board.panels.length);
	});

	it('has panels that fill 24 columns, none over another', () => {
		const taken = new Map<string, string>();
		for (const { title, gridPos } of board.panels) {
			expect([title, gridPos.x >= 0, gridPos.x + gridPos.w <= 24]).toEqual([title, true, true]);
			for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
				for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
					expect([title, x, y, taken.get(`${x} ${y}`)]).toEqual([title, x, y, undefined]);
					taken.set(`${x} ${y}`, title);
				}
			}
		}
		expect(taken.size % 24).toBe(0);
	});

	it('says of each panel what it shows, and in which unit', () => {
		for (const { title, description = '', fieldConfig } of drawn) {
			expect([title, fieldConfig?.defaults.unit ?? '']).toEqual([title, expect.stringMatching(/^\w+$/)]);
			expect([title, description]).toEqual([title, expect.stringMatching(/\.$/)]);
		}
	});

	it('asks the data source and the system that are chosen, and no other', () => {
		expect(board.templating.list.map(({ name }) => name)).toEqual(['datasource', 'job']);
		for (const { title, datasource, targets = [] } of drawn) {
			const sources = [datasource, ...targets.map((target) => target.datasource)].map((source) => source?.uid);
			expect([title, new Set(sources)]).toEqual([title, new Set([`\${datasource}`])]);
			expect([title, targets.map(({ refId }) => refId)]).toEqual([title, [...'ABC'].slice(0, targets.length)]);
		}
		for (const [title, expression] of expressions) {
			const selected = expression.match(/\{job="\$job"/g) ?? [];
			expect([title, selected.length]).toEqual([title, metricsIn(expression).length]);
		}
	});

	it('names alerts that there are', () => {
		const known = alertsOf(readFileSync(join(ROOT, 'docs/operations.md'), 'utf8')).map(({ name }) => name);
		const named = drawn.flatMap(({ description = '' }) =>
			Array.from(description.matchAll(/Alert (\w+)/g), ([, name = '']) => name),
		);
		expect(named.length).toBeGreaterThan(10);
		expect(named.filter((name) => !known.includes(name))).toEqual([]);
	});

	it('is where its provider looks for it', () => {
		const text = readFileSync(join(ROOT, 'ops/grafana/provisioning/dashboards/protected-payment.yml'), 'utf8');
		expect(parse(text).providers).toMatchObject([{ type: 'file', options: { path: '/etc/grafana/dashboards' } }]);
	});
});
