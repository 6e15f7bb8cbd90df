/** The table of alerts, its sections, the rules made from them, and what Prometheus makes of those. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { type Alert, alertsOf, rulesOf } from '../../../ops/prometheus/alerts.ts';
import { ROOT } from '../../support/process.ts';
import { PROMTOOL, promtool, titled } from '../../support/promtool.ts';
import { ALERT_CASES, type AlertCase } from './alert-cases.ts';

const RULES = join(ROOT, 'ops/prometheus/rules.yml');
const page = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
const alerts = alertsOf(page);

interface Rule {
	readonly alert: string;
	readonly expr: string;
	readonly for?: string;
	readonly labels: object;
	readonly annotations: Readonly<Record<string, string>>;
}

describe('the rules', () => {
	const text = readFileSync(RULES, 'utf8');
	const rules: readonly Rule[] = parse(text).groups.flatMap((group: { rules: Rule[] }) => group.rules);

	it('are what `npm run alerts` makes of the page', () => expect(text).toBe(rulesOf(alerts)));

	it('are the rows of the table, one each', () => {
		expect(rules.length).toBeGreaterThan(20);
		const rows = alerts.map(({ name, when, duration, severity }) => [name, when, duration, severity]);
		expect(rules.map((rule) => [rule.alert, rule.expr, rule.for ?? '0s', Object.values(rule.labels)[0]])).toEqual(rows);
	});

	it('lead to headings that are there, once', () => {
		const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
			title.toLowerCase().replaceAll(' ', '-'),
		);
		for (const { annotations } of rules) {
			const [file, anchor] = annotations.runbook_url?.split('#') ?? [];
			expect([file, anchor, headings.filter((heading) => heading === anchor)]).toEqual([
				'docs/operations.md',
				anchor,
				[anchor],
			]);
		}
	});

	it('lead to where people read the page, if that is said', () =>
		expect(rulesOf(alerts, 'https://wiki.example/ops')).toContain(
			'runbook_url: https://wiki.example/ops#moneytakenwrongly\n',
		));

	it('name calls that exist', () => {
		const section = page.split('\n## Alerts\n')[1]?.split('\n## ')[0] ?? '';
		const calls = [...section.matchAll(/`call ([\w.]+)/g)].map(([, name]) => name);
		const actions = ['consumers.resume', 'consumers.pause', 'payments.list', 'payments.resolve', 'inbox.stats'];
		const sweeping = ['settlement.reconcile', 'settlement.sweep'];
		const webhooks = ['list', 'deliveries', 'update', 'redeliver'].map((name) => `webhooks.${name}`);
		expect(new Set(calls)).toEqual(new Set([...actions, ...sweeping, ...webhooks]));
	});
});

describe('a page is refused', () => {
	const without = (found: string | RegExp, by = ''): (() => unknown) => {
		const changed = page.replace(found, by);
		expect(changed).not.toBe(page);
		return () => alertsOf(changed);
	};

	it('where an alert has no section', () =>
		expect(without('### OutboxStuck\n')).toThrow(/OutboxStuck has no section|OutboxStuck leads/));
	it('where a section has no row', () =>
		expect(without(/^\| \[OutboxStuck\].*\n/m)).toThrow('no row of the table leads to OutboxStuck'));
	it('where a section does not say what to do', () =>
		expect(without(/(### OutboxStuck[^#]*)- \*\*Do\*\*/, '$1- ')).toThrow("OutboxStuck has no line '- **Do**'"));
	it('where a link leads elsewhere', () => expect(without('(#outboxstuck)', '(#outbox)')).toThrow('leads to #outbox'));
	it('where a row is not understood', () => expect(without('| page ', '| soon ')).toThrow('not the row of an alert'));
	it('where there are no alerts', () => expect(without('## Alerts', '## Other')).toThrow("no section '## Alerts'"));
});

/** A test of promtool's: the figures of two hours, and what fires then. */
function group({ name: alertname }: Alert, name: string, figures: AlertCase['fires'], exp_alerts: readonly object[]) {
	return {
		...{ name: `${alertname} ${name}`, interval: '1m' },
		input_series: Object.entries(figures).map(([series, values]) => ({ series, values })),
		alert_rule_test: [{ eval_time: '2h', alertname, exp_alerts }],
	};
}

function testsOf(alert: Alert): readonly object[] {
	const { name, severity, summary } = alert;
	const found = ALERT_CASES[name];
	if (found === undefined) throw new Error(`no case for ${name}`);
	const firing = {
		exp_labels: { ...found.labels, severity },
		exp_annotations: { summary, runbook_url: `docs/operations.md#${name.toLowerCase()}` },
	};
	return [group(alert, 'fires', found.fires, [firing]), group(alert, 'is quiet', found.quiet, [])];
}

(PROMTOOL ? it : it.skip)(titled('promtool: each alert fires when it should, and not otherwise', PROMTOOL), () => {
	expect(Object.keys(ALERT_CASES)).toEqual(alerts.map(({ name }) => name));
	expect(promtool(['check', 'rules', RULES])).toMatchObject({ status: 0 });
	const folder = mkdtempSync(join(tmpdir(), 'protected-payment-alerts-'));
	try {
		// Each with its own rule alone: in one file every test would reckon with all of them.
		const files = alerts.map((alert) => {
			const [rules, tests] = [join(folder, `${alert.name}.yml`), join(folder, `${alert.name}.test.yml`)];
			writeFileSync(rules, rulesOf([alert]));
			writeFileSync(tests, stringify({ rule_files: [rules], evaluation_interval: '1m', tests: testsOf(alert) }));
			return tests;
		});
		const { said, status } = promtool(['test', 'rules', ...files]);
		expect([status, said.replaceAll(/.*\n +SUCCESS\n\n?/g, '').trim()]).toEqual([0, '']);
		expect(said.match(/SUCCESS/g)).toHaveLength(alerts.length);
	} finally {
		rmSync(folder, { recursive: true });
	}
});
