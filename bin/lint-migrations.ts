/**
 * Looks for locks in the SQL of the migrations with squawk (.squawk.toml), and whether a migration that takes something
 * away from programs says so. `--print` prints the SQL in its order instead. Needs no database.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { MIGRATIONS, type Migration } from '../mixins/database/migrations/index.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** What programs notice that do not know the migration: only where it says that it breaks them. */
const BREAKS: ReadonlySet<string> = new Set([
	...['ban-drop-column', 'ban-drop-table', 'renaming-column', 'renaming-table', 'changing-column-type'],
	...['adding-required-field', 'ban-drop-not-null'],
]);

interface Piece {
	/** as a file, without `.sql` */
	readonly name: string;
	readonly sql: string;
	readonly isInTransaction: boolean;
	/** whether it may take something away from programs */
	readonly mayBreak: boolean;
}

/** What squawk says of a place; of its fields those that are used here. */
interface Finding {
	readonly file: string;
	/** from 0 on */
	readonly line: number;
	readonly rule_name: string;
	readonly message: string;
	readonly help: string | null;
}

/** The parts of a migration in the order in which they run, and the way back. */
function piecesOf({ name, breaking, before = [], up, down }: Migration): Piece[] {
	const inAdvance = before.map((statement) => `${statement};\n`).join('');
	const mayBreak = breaking !== false;
	return [
		{ name: `${name}.before`, sql: inAdvance, isInTransaction: false, mayBreak },
		{ name: `${name}.up`, sql: up, isInTransaction: true, mayBreak },
		// It takes away what the way up has brought, for programs that do not use that.
		{ name: `${name}.down`, sql: down, isInTransaction: true, mayBreak: true },
	].filter(({ sql }) => sql.trim() !== '');
}

/** An index that a crash left unfinished is in the way of the next try. */
function withoutCleanUp({ name, before = [] }: Migration): string[] {
	return before.flatMap((statement, place) => {
		const index = /CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+)/i.exec(statement)?.[1];
		const cleanUp = `DROP INDEX CONCURRENTLY IF EXISTS ${index}`;
		if (index === undefined || before.slice(0, place).includes(cleanUp)) return [];
		return [`${name}: ${cleanUp} has to come before its CREATE`];
	});
}

/** The program itself: of its other platforms' packages the newest are not all published. */
const SQUAWK = join(ROOT, 'node_modules/@squawk-cli/linux-x64/bin/squawk');

/** Elsewhere than on Linux with x64 npm leaves squawk out, and nothing is looked for. */
const hasSquawk = process.platform === 'linux' && process.arch === 'x64';

function squawk(pieces: readonly Piece[], options: readonly string[]): string[] {
	if (pieces.length === 0 || !hasSquawk) return [];
	const folder = mkdtempSync(join(tmpdir(), 'pp-migrations-'));
	try {
		for (const { name, sql } of pieces) writeFileSync(join(folder, `${name}.sql`), sql);
		const config = ['--config', join(ROOT, '.squawk.toml'), '--no-error-on-unmatched-pattern', '--reporter', 'json'];
		const files = pieces.map(({ name }) => join(folder, `${name}.sql`));
		const { status, stdout, stderr, error } = spawnSync(SQUAWK, [...config, ...options, ...files], {
			encoding: 'utf8',
		});
		if (error !== undefined) throw error;
		if (status === 0) return [];
		if (stdout.trim() === '') return [stderr.trim()];
		const mayBreak = new Map(pieces.map((piece) => [`${piece.name}.sql`, piece.mayBreak]));
		const found: readonly Finding[] = JSON.parse(stdout);
		return found.flatMap(({ file, line, rule_name, message, help }) => {
			const name = basename(file);
			if (BREAKS.has(rule_name) && mayBreak.get(name)) return [];
			return [`${name}:${line + 1}: ${rule_name}: ${message}${help === null ? '' : ` ${help}`}`];
		});
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** What is wrong, as text; empty if nothing is. */
export function lint(migrations: readonly Migration[]): string[] {
	const pieces = migrations.flatMap(piecesOf);
	return [
		...squawk(
			pieces.filter(({ isInTransaction }) => isInTransaction),
			['--assume-in-transaction'],
		),
		...squawk(
			pieces.filter(({ isInTransaction }) => !isInTransaction),
			[],
		),
		...migrations.flatMap(withoutCleanUp),
	];
}

if (process.argv[1] === import.meta.filename) {
	if (process.argv.includes('--print')) {
		for (const { name, sql } of MIGRATIONS.flatMap(piecesOf)) process.stdout.write(`-- ${name}\n${sql.trim()}\n\n`);
	} else {
		const wrong = lint(MIGRATIONS);
		for (const line of wrong) process.stderr.write(`${line}\n`);
		if (wrong.length > 0) process.exitCode = 1;
	}
}
