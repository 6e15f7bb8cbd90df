/**
 * Statements made of a table's columns. Each column travels as one array (`unnest`), so that one text serves any number of
 * rows. Columns have the names of the program; the server's have an underscore before what is a capital here.
 */
import { joinedTexts, plainArray, splitTexts, textArray } from './arrays.ts';
import { instant, instants } from './instants.ts';
import type { Statement } from './statement.ts';

/** A `word` is text that needs no quotes: a state, a code. Of `json` the text is written. */
export type Kind = 'uuid' | 'word' | 'text' | 'int' | 'bigint' | 'moment' | 'json';
type Cell = string | number | bigint | null;

/** A column's array as a parameter, and how it is made. */
interface Arrays {
	readonly from: (parameter: string) => string;
	make(values: readonly Cell[]): string;
}
const as =
	(type: string) =>
	(parameter: string): string =>
		`${parameter}::${type}[]`;
const ARRAYS: Readonly<Record<Kind, Arrays>> = {
	uuid: { from: as('uuid'), make: plainArray },
	word: { from: as('text'), make: plainArray },
	text: { from: as('text'), make: textArray },
	int: { from: as('int'), make: plainArray },
	bigint: { from: as('bigint'), make: plainArray },
	moment: { from: as('float8'), make: instants },
	json: { from: (parameter) => as('json')(splitTexts(parameter)), make: joinedTexts },
};

export type Columns = Readonly<Record<string, Kind>>;
/** All columns of such a row, none forgotten and each of a kind that can hold it. */
export type ColumnsOf<Row> = { readonly [Name in keyof Row]-?: KindOf<NonNullable<Row[Name]>> };
type KindOf<Value> = Value extends bigint
	? 'bigint'
	: Value extends number
		? 'int' | 'moment'
		: 'uuid' | 'word' | 'text' | 'json';

/** A statement for these rows; what else is in them is left out. */
type Writing<C> = (rows: readonly { readonly [Name in keyof C]: Cell }[]) => Statement;

export const sqlName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What to select from the table with this alias: the names of the program, moments in milliseconds. */
export const selected = (columns: Columns, from: string): string =>
	Object.entries(columns)
		.map(([name, kind]) => [`${from}.${sqlName(name)}`, `"${name}"`, kind] as const)
		.map(([column, name, kind]) => (kind === 'moment' ? instant(column, name) : `${column} AS ${name}`))
		.join(', ');

/** A statement that inserts rows; `more` may follow. */
export function inserting<C extends Columns>(name: string, table: string, columns: C, more = ''): Writing<C> {
	const names = Object.keys(columns).map(sqlName);
	const cells = Object.entries(columns).map(cell);
	return writing(name, columns, (rows) => `INSERT INTO ${table} (${names}) SELECT ${cells} FROM ${rows} ${more}`);
}

/** A statement that updates the rows with these `key`s. */
export function updating<C extends Columns>(name: string, table: string, key: string, columns: C): Writing<C> {
	const changing = Object.entries(columns).filter(([column]) => column !== key);
	const set = changing.map((column) => `${sqlName(column[0])} = ${cell(column)}`);
	const id = sqlName(key);
	return writing(name, columns, (rows) => `UPDATE ${table} t SET ${set} FROM ${rows} WHERE t.${id} = c.${id}`);
}

const cell = ([name, kind]: readonly [string, Kind]): string =>
	kind === 'moment' ? `to_timestamp(c.${sqlName(name)})` : `c.${sqlName(name)}`;

function writing<C extends Columns>(name: string, columns: C, textFor: (rows: string) => string): Writing<C> {
	const all: readonly (readonly [keyof C, Kind])[] = Object.entries(columns);
	const parameters = all.map(([, kind], index) => ARRAYS[kind].from(`$${index + 1}`));
	const text = textFor(`unnest(${parameters}) AS c (${Object.keys(columns).map(sqlName)})`);
	return (rows) => ({
		name,
		text,
		values: all.map(([column, kind]) => ARRAYS[kind].make(rows.map((row) => row[column]))),
	});
}
