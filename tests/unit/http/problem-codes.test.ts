import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { PROBLEMS, problemType } from '../../../mixins/http/problem-codes.ts';

const ROOT = join(import.meta.dirname, '../../..');
const TABLE = join(ROOT, 'docs/errors.md');

/** A table in Markdown whose columns stand below each other, as the formatter wants it. */
function table(rows: readonly (readonly string[])[]): string {
	const [head = []] = rows;
	const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
	const line = (row: readonly string[], filler = ' ') =>
		`| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0, filler)).join(' | ')} |`;
	const [first = '', ...rest] = rows.map((row) => line(row));
	return [
		first,
		line(
			head.map(() => ''),
			'-',
		),
		...rest,
	].join('\n');
}

function document(): string {
	const rows = Object.entries(PROBLEMS).map(([code, { status, title, meaning }]) => [
		`\`${code}\``,
		String(status),
		title,
		meaning,
	]);
	return `# Errors

Every error is a problem detail (RFC 9457, \`application/problem+json\`) with \`type\`, \`title\`, \`status\`, \`detail\`, \`code\` and \`traceId\`. If fields are invalid, \`errors\` names each by a JSON \`pointer\` into the body or by the query \`parameter\`. Programs should use \`code\`, which is stable. \`type\` is the code as a URI reference, such as \`${problemType('Orders.WindowClosed')}\`. This table is made from the code: \`UPDATE_DOCS=1 npm test -- problem-codes\` writes it.

${table([['code', 'status', 'title', 'when it comes, and what to do'], ...rows])}
`;
}

it('docs/errors.md is the table of the code', () => {
	if (process.env.UPDATE_DOCS === '1') writeFileSync(TABLE, document());
	expect(readFileSync(TABLE, 'utf8')).toBe(document());
});

it('every code in the sources is in the table', () => {
	const files = ['domain', 'mixins', 'services'].flatMap((folder) =>
		readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(ROOT, folder, file)),
	);
	const codes = files
		.filter((file) => file.endsWith('.ts'))
		.flatMap((file) => readFileSync(file, 'utf8').match(/'[A-Z][A-Za-z]+\.[A-Z][A-Za-z]+'/g) ?? [])
		.map((code) => code.slice(1, -1));
	expect(codes).toContain('Orders.WindowClosed');
	expect([...new Set(codes)].filter((code) => !Object.hasOwn(PROBLEMS, code))).toEqual([]);
});
