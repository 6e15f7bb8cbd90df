/** Values of TLA+ as TLC prints them. Sets and tuples become arrays, records and functions objects, model values text. */
export type TlaValue = string | number | boolean | readonly TlaValue[] | { readonly [name: string]: TlaValue };

const TOKEN = /\s*(<<|>>|\|->|:>|@@|[{}[\](),]|"(?:[^"\\]|\\.)*"|-?\d+|\w+)/y;

class Reader {
	readonly #text: string;
	#at = 0;

	constructor(text: string) {
		this.#text = text;
	}

	/** The next token without taking it; undefined at the end. */
	peek(): string | undefined {
		TOKEN.lastIndex = this.#at;
		return TOKEN.exec(this.#text)?.[1];
	}

	take(): string {
		TOKEN.lastIndex = this.#at;
		const [, token] = TOKEN.exec(this.#text) ?? [];
		if (token === undefined) throw new SyntaxError(`not a TLA+ value at ${this.#at}: ${this.#rest()}`);
		this.#at = TOKEN.lastIndex;
		return token;
	}

	expect(token: string): void {
		const found = this.take();
		if (found !== token) throw new SyntaxError(`${token} expected, ${found} found before ${this.#rest()}`);
	}

	/** Items up to the closing token, which is taken too. */
	list<T>(close: string, separator: string, item: () => T): T[] {
		const items: T[] = [];
		while (this.peek() !== close) {
			if (items.length > 0) this.expect(separator);
			items.push(item());
		}
		this.expect(close);
		return items;
	}

	end(): void {
		if (this.#rest().trim() !== '') throw new SyntaxError(`more than one TLA+ value: ${this.#rest()}`);
	}

	#rest(): string {
		return this.#text.slice(this.#at, this.#at + 60);
	}
}

function value(reader: Reader): TlaValue {
	const token = reader.take();
	const nested = (): TlaValue => value(reader);
	const field = (arrow: string) => (): [string, TlaValue] => {
		const name = String(value(reader));
		reader.expect(arrow);
		return [name, value(reader)];
	};
	if (token === '{') return reader.list('}', ',', nested);
	if (token === '<<') return reader.list('>>', ',', nested);
	if (token === '[') return Object.fromEntries(reader.list(']', ',', field('|->')));
	if (token === '(') return Object.fromEntries(reader.list(')', '@@', field(':>')));
	if (token.startsWith('"')) return token.slice(1, -1).replace(/\\(.)/g, '$1');
	if (/^-?\d+$/.test(token)) return Number(token);
	if (token === 'TRUE' || token === 'FALSE') return token === 'TRUE';
	if (/^\w+$/.test(token)) return token;
	throw new SyntaxError(`a TLA+ value cannot begin with ${token}`);
}

/** Reads one value; throws a SyntaxError that names the place. */
export function parseValue(text: string): TlaValue {
	const reader = new Reader(text);
	const result = value(reader);
	reader.end();
	return result;
}

/** A behaviour as `-simulate file=…` writes it: for each state the values of its variables. */
export function parseBehaviour(text: string): Record<string, TlaValue>[] {
	return text
		.split(/^STATE_\d+ ==\s*$/m)
		.slice(1)
		.map((state) => {
			const conjuncts = state.split(/^\/\\ /m).slice(1);
			return Object.fromEntries(
				conjuncts.map((conjunct): [string, TlaValue] => {
					const [, name = '', text = ''] = /^(\w+) = ([\s\S]*)$/.exec(conjunct.replace(/\n=+\s*$/, '')) ?? [];
					return [name, parseValue(text)];
				}),
			);
		});
}
