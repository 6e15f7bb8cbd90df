/** Server-sent events (WHATWG HTML, "Parsing an event stream") from a response whose request could carry a token. */

/**
 * @typedef {object} ServerEvent
 * @property {string} type
 * @property {string} data
 * @property {string} id the last id that was sent; empty before the first one
 */

/** Calls `dispatch` for each event of the text that is put in, in pieces of any size. */
export class EventParser {
	#rest = '';
	#type = '';
	/** @type {string[]} */
	#data = [];
	#id = '';
	#hasBegun = false;
	/** @type {(event: ServerEvent) => void} */
	#dispatch;

	/** @param {(event: ServerEvent) => void} dispatch */
	constructor(dispatch) {
		this.#dispatch = dispatch;
	}

	/** @param {string} text */
	push(text) {
		this.#rest += text;
		if (!this.#hasBegun && this.#rest !== '') {
			this.#rest = this.#rest.replace(/^\ufeff/, '');
			this.#hasBegun = true;
		}
		// A carriage return at the end may be the first half of a line's end.
		const end = this.#rest.endsWith('\r') ? -1 : undefined;
		const lines = this.#rest.slice(0, end).split(/\r\n|\n|\r/);
		this.#rest = (lines.pop() ?? '') + (end === undefined ? '' : '\r');
		for (const line of lines) this.#take(line);
	}

	/** @param {string} line */
	#take(line) {
		if (line === '') {
			this.#end();
			return;
		}
		const colon = line.indexOf(':');
		const field = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
		if (field === 'event') this.#type = value;
		else if (field === 'data') this.#data.push(value);
		else if (field === 'id' && !value.includes('\0')) this.#id = value;
	}

	#end() {
		const data = this.#data;
		const type = this.#type || 'message';
		this.#data = [];
		this.#type = '';
		if (data.length > 0) this.#dispatch({ type, data: data.join('\n'), id: this.#id });
	}
}
