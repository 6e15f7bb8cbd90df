/** One statement: `name` lets the server keep its plan, so one text belongs to one name. */
export interface Statement {
	readonly name: string;
	readonly text: string;
	readonly values: readonly unknown[];
	/** it may look at, or make, any number of rows: it has 30 s, and no plan of its own is kept */
	readonly isSlow?: true;
}

/** Whether it may change rows. One that only locks them does not. */
export const writes = ({ text }: Statement): boolean => !/^\s*SELECT\b/.test(text);

const texts = new Map<string, { readonly name: string; readonly text: string }>();

/**
 * One statement that does what several do: each has to be a single INSERT, UPDATE or DELETE whose result is not needed,
 * and none may write a row that another writes (PostgreSQL manual, "Data-Modifying Statements in WITH").
 */
export function together(statements: readonly Statement[]): Statement {
	const [only] = statements;
	if (only !== undefined && statements.length === 1) return only;
	const key = statements.map(({ name }) => name).join();
	let known = texts.get(key);
	if (known === undefined) {
		if (new Set(statements.map(({ name }) => name)).size < statements.length)
			throw new Error(`a transaction writes the same rows twice: ${key}`);
		known = { name: `write-${texts.size}`, text: combine(statements) };
		texts.set(key, known);
	}
	return { ...known, values: statements.flatMap(({ values }) => values) };
}

function combine(statements: readonly Statement[]): string {
	let parameters = 0;
	const parts = statements.map(({ text, values }) => {
		const before = parameters;
		parameters += values.length;
		return text.replace(/\$(\d+)/g, (_, place: string) => `$${Number(place) + before}`);
	});
	const last = parts.pop();
	return `WITH ${parts.map((part, index) => `part_${index} AS (${part})`).join(',\n')}\n${last}`;
}
