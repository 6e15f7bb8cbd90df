/**
 * Reads a JSON body (RFC 8259) without losing a digit.
 *
 * Not body-parser: it turns malformed UTF-8 into replacement characters and an empty body into `{}`, accepts UTF-16 and
 * compressed bodies, reads all of a body that is too large before it says so, and costs more than the rest of the request.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { MIMEType } from 'node:util';
import { malformed, ProblemError, tooLarge, unsupported } from '../../../mixins/http/index.ts';

const BODY_LIMIT = 16 * 1024;

export interface Body {
	readonly value: unknown;
	/** The exact source text of the top-level member `amount`, where that is a JSON number. */
	readonly amount: string | undefined;
}

/** The request carries a body (RFC 9112, section 6.3); an empty one counts as none. */
export function hasBody(req: IncomingMessage): boolean {
	const length = req.headers['content-length'];
	return req.headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0);
}

/** What a body may be called, and the header that says so. */
interface Kind {
	readonly type: RegExp;
	readonly accepted: Readonly<Record<string, string>>;
}

const JSON_BODY: Kind = {
	type: /^[\t ]*application\/json[\t ]*(?:;|$)/i,
	accepted: { Accept: 'application/json' },
};
/** For PATCH: also as RFC 7396 calls it (RFC 5789, section 3.1, for the header). */
export const PATCH_BODY: Kind = {
	type: /^[\t ]*application\/(?:merge-patch\+)?json[\t ]*(?:;|$)/i,
	accepted: { 'Accept-Patch': 'application/merge-patch+json, application/json' },
};

/** Throws 400, 413 or 415 if it is not a JSON text in UTF-8 of at most `BODY_LIMIT` bytes. */
export async function readJson(req: IncomingMessage, kind = JSON_BODY): Promise<Body> {
	if (!hasBody(req)) throw new ProblemError(malformed('The request needs a JSON body.'));
	requireJson(req, kind);
	return parseExact(await readBytes(req, BODY_LIMIT));
}

/** The same where a body need not be; undefined without one. */
export async function readOptionalJson(req: IncomingMessage): Promise<Body | undefined> {
	if (!hasBody(req)) return undefined;
	const bytes = await readBytes(req, BODY_LIMIT);
	// In chunks only the end tells that there was nothing.
	if (bytes.length === 0) return undefined;
	requireJson(req, JSON_BODY);
	return parseExact(bytes);
}

/** A form as browsers send it, or a JSON object; the fields as they stand there. */
export async function readForm(req: IncomingMessage): Promise<object> {
	if (!FORM.test(req.headers['content-type'] ?? '')) {
		const { value } = await readJson(req);
		return typeof value === 'object' && value !== null ? value : {};
	}
	return Object.fromEntries(new URLSearchParams((await readBytes(req, BODY_LIMIT)).toString()));
}

const FORM = /^[\t ]*application\/x-www-form-urlencoded[\t ]*(?:;|$)/i;

function requireJson(req: IncomingMessage, kind: Kind): void {
	const encoding = req.headers['content-encoding'];
	if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
		throw new ProblemError(unsupported('A compressed body is not accepted.', { 'Accept-Encoding': 'identity' }));
	}
	const type = req.headers['content-type'];
	if (type !== 'application/json') requireJsonType(type ?? '', kind);
}

/** How UTF-8 is called (https://encoding.spec.whatwg.org/#names-and-labels), by those who write it themselves. */
const UTF_8 = /^utf-?8$/i;

/** Media types are read as the MIME Sniffing standard says: case, quotes and other parameters do not matter. */
function requireJsonType(type: string, kind: Kind): void {
	if (!kind.type.test(type)) throw new ProblemError(unsupported('The body has to be application/json.', kind.accepted));
	const charset = new MIMEType(type).params.get('charset');
	if (charset && !UTF_8.test(charset)) {
		throw new ProblemError(
			unsupported('JSON is read in UTF-8 only, and the charset of the body is another.', kind.accepted),
		);
	}
}

/** Refuses at the first byte too many. What comes after it is discarded, until Node's request time-out. */
export function readBytes(req: IncomingMessage, limit: number): Promise<Buffer> {
	return new Promise((resolve, reject) => {
		const refuse = () => {
			req.removeAllListeners('data');
			req.resume();
			reject(new ProblemError(tooLarge(limit)));
		};
		if (Number(req.headers['content-length'] ?? 0) > limit) return refuse();
		const chunks: Buffer[] = [];
		let length = 0;
		req.on('data', (chunk: Buffer) => {
			length += chunk.length;
			if (length > limit) refuse();
			else chunks.push(chunk);
		});
		req.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length)));
		const gone = () => {
			if (!req.readableEnded) reject(new ProblemError(malformed('The request ended early.')));
		};
		req.on('error', gone);
		req.on('close', gone);
	});
}

function parseExact(bytes: Buffer): Body {
	if (!isUtf8(bytes)) throw new ProblemError(malformed('The body is not valid UTF-8.'));
	// A byte order mark says nothing in UTF-8, and may be ignored (RFC 8259, section 8.1).
	const text = bytes.toString().replace(/^\ufeff/, '');
	try {
		const value: unknown = JSON.parse(text);
		return { value, amount: hasAmount(value) ? (onlyAmount(text) ?? amountOf(text)) : undefined };
	} catch {
		throw new ProblemError(malformed('The body is not valid JSON.'));
	}
}

const hasAmount = (value: unknown): boolean =>
	typeof value === 'object' && value !== null && Object.hasOwn(value, 'amount');

const NAME = '"amount"';
const MEMBER = /"amount"[\t\n\r ]*:[\t\n\r ]*(-?[0-9][-+.0-9Ee]*)?/y;

/**
 * The number of a body that has an amount, found in its text, where no escape could spell the name otherwise and it
 * stands there once: then it stands for that member. This is the usual body, and costs a fifth of a reviver.
 */
function onlyAmount(text: string): string | undefined {
	const at = text.indexOf(NAME);
	if (at < 0 || text.includes(NAME, at + 1) || text.includes('\\')) return undefined;
	MEMBER.lastIndex = at;
	return MEMBER.exec(text)?.[1];
}

/** ECMAScript's "JSON.parse source text access": primitive values come with their source. */
interface ReviverContext {
	readonly source?: string;
}

/** The same for every body. */
function amountOf(text: string): string | undefined {
	const amounts = new Map<unknown, string>();
	function note(this: unknown, key: string, value: unknown, context?: ReviverContext): unknown {
		if (key === 'amount' && typeof value === 'number' && context?.source) amounts.set(this, context.source);
		return value;
	}
	return amounts.get(JSON.parse(text, note));
}
