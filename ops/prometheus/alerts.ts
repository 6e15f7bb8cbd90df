/** The alerts of docs/operations.md, and the rules for Prometheus that are made from them. */
import { stringify } from 'yaml';

/** A row of the table, with what its section says first. */
export interface Alert {
	readonly name: string;
	/** PromQL */
	readonly when: string;
	readonly duration: string;
	readonly severity: 'page' | 'ticket';
	/** what it means */
	readonly summary: string;
}

const ROW =
	/^\| \[(?<name>\w+)\]\(#(?<anchor>\w+)\) +\| `(?<when>.+)` +\| (?<duration>\d+[smh]) +\| (?<severity>page|ticket) +\|$/;
const TITLE = '## Alerts';

/** Throws if the table or a section of an alert is not as it should be. */
export function alertsOf(page: string): readonly Alert[] {
	const [, text] = page.split(`\n${TITLE}\n`);
	if (text === undefined) throw new Error(`there is no section '${TITLE}'`);
	const [intro = '', ...sections] = text.split(/\n## /)[0]?.split(/^### /m) ?? [];
	const meanings = new Map(sections.map((section) => [section.split('\n')[0] ?? '', meaningOf(section)]));
	const [, , ...rows] = intro.split('\n').filter((line) => line.startsWith('|'));
	const alerts = rows.map((row) => {
		const { name = '', anchor, when = '', duration = '', severity } = ROW.exec(row)?.groups ?? {};
		if (severity !== 'page' && severity !== 'ticket') throw new Error(`not the row of an alert: ${row}`);
		if (anchor !== name.toLowerCase()) throw new Error(`${name} leads to #${anchor}`);
		const summary = meanings.get(name);
		if (summary === undefined) throw new Error(`${name} has no section of its own`);
		return { name, when: when.replaceAll('\\|', '|'), duration, severity, summary } as const;
	});
	const surplus = [...meanings.keys()].filter((title) => !alerts.some(({ name }) => name === title));
	if (surplus.length > 0) throw new Error(`no row of the table leads to ${surplus.join(', ')}`);
	return alerts;
}

/** The paragraph that stands below a title. Throws if the section does not say as well what to look at and what to do. */
function meaningOf(section: string): string {
	const [title, , meaning = ''] = section.split('\n');
	if (!/^\w.*\.$/.test(meaning)) throw new Error(`${title} does not say what it means`);
	for (const part of ['- **Look at** ', '- **Do**']) {
		if (!section.includes(`\n${part}`)) throw new Error(`${title} has no line '${part}'`);
	}
	return meaning;
}

/** `rules.yml`; `page` is where the runbooks are read. */
export function rulesOf(alerts: readonly Alert[], page = 'docs/operations.md'): string {
	const rules = alerts.map(({ name, when, duration, severity, summary }) => ({
		alert: name,
		expr: when,
		...(duration === '0s' ? {} : { for: duration }),
		labels: { severity },
		annotations: { summary, runbook_url: `${page}#${name.toLowerCase()}` },
	}));
	const comment = ' Made by `npm run alerts` from docs/operations.md, "Alerts": change it there.\n';
	return `#${comment}${stringify({ groups: [{ name: 'protected-payment', rules }] }, { lineWidth: 0 })}`;
}
