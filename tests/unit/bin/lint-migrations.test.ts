/** The linter of migrations on SQL that locks or breaks, and on this project's own. */
import { expect, it } from '@jest/globals';
import { lint } from '../../../bin/lint-migrations.ts';
import { MIGRATIONS, type Migration } from '../../../mixins/database/migrations/index.ts';

const migration = (up: string, more: Partial<Migration> = {}): Migration => ({
	...{ name: '9999-of-a-test', breaking: false, up, down: '', ...more },
});
const INDEX = 'CREATE INDEX CONCURRENTLY orders_by_x ON orders (x)';
const CLEAN_UP = 'DROP INDEX CONCURRENTLY IF EXISTS orders_by_x';

it.each<[string, Migration, string[]]>([
	['an index that blocks writes', migration('CREATE INDEX i ON orders (x);'), ['require-concurrent-index-creation']],
	['a constraint that is checked under the lock', migration('ALTER TABLE orders ADD CHECK (x > 0);'), ['not-valid']],
	['a column that rewrites the table', migration('ALTER TABLE orders ADD x uuid DEFAULT uuidv7();'), ['with-default']],
	[
		'a concurrent index in a transaction',
		migration(`${INDEX}; SELECT 1;`),
		['ban-concurrent-index-creation-in-transaction'],
	],
	['a concurrent index without its clean-up', migration('', { before: [INDEX] }), [`${CLEAN_UP} has to come before`]],
	['the clean-up of another index', migration('', { before: [`${CLEAN_UP}2`, INDEX] }), [`${CLEAN_UP} has to come`]],
	['a column that is taken away unsaid', migration('ALTER TABLE orders DROP COLUMN x;'), ['ban-drop-column']],
	['a table that is renamed unsaid', migration('ALTER TABLE orders RENAME TO o;'), ['renaming-table']],
])('%s is found', (_, wrong, rules) => {
	const found = lint([wrong]);
	expect(found).toHaveLength(rules.length);
	for (const [place, rule] of rules.entries()) expect(found[place]).toContain(rule);
	for (const line of found) expect(line).toMatch(/^9999-of-a-test(\.up\.sql)?:/);
});

it.each<[string, Migration]>([
	['a nullable column', migration('ALTER TABLE orders ADD x text;')],
	['a table with its index', migration('CREATE TABLE t (a bigint PRIMARY KEY); CREATE INDEX i ON t (a);')],
	['a constraint for new rows', migration('ALTER TABLE orders ADD CHECK (x > 0) NOT VALID;')],
	['a concurrent index after its clean-up', migration('', { before: [CLEAN_UP, INDEX] })],
	['a break that is said', migration('ALTER TABLE orders DROP COLUMN x;', { breaking: { reason: 'it reads x' } })],
	['a way back that takes away', migration('', { down: 'ALTER TABLE orders DROP COLUMN x;' })],
])('%s is fine', (_, right) => {
	expect(lint([right])).toEqual([]);
});

it('the same holds beside a break: only the break itself is left out', () => {
	const up = 'ALTER TABLE orders DROP COLUMN x; CREATE INDEX i ON orders (y);';
	const found = lint([migration(up, { breaking: { reason: 'it reads x' } })]);
	expect(found).toEqual([expect.stringContaining('require-concurrent-index-creation')]);
});

it("this project's own are fine, in the order of their names", () => {
	expect(lint(MIGRATIONS)).toEqual([]);
	const names = MIGRATIONS.map(({ name }) => name);
	expect(names).toEqual(names.toSorted());
	expect(new Set(names).size).toBe(names.length);
});
