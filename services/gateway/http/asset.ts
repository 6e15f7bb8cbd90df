import { hash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip as gzipLater } from 'node:zlib';
import { send } from '../../../mixins/http/index.ts';
import { entityTags } from './conditions.ts';

const gzip = promisify(gzipLater);

type Body = string | Uint8Array;

interface Variant {
	readonly body: Body;
	readonly etag: string;
}

/** A document that does not change while the process runs: loaded and compressed once, when it is first asked for. */
export class Asset {
	readonly #type: string;
	readonly #headers: OutgoingHttpHeaders;
	readonly #load: () => Body | Promise<Body>;
	#variants: Promise<{ readonly plain: Variant; readonly zipped: Variant }> | undefined;

	/** `headers`: beside the media type, `Cache-Control` above all. */
	constructor(type: string, headers: OutgoingHttpHeaders, load: () => Body | Promise<Body>) {
		this.#type = type;
		this.#headers = headers;
		this.#load = load;
	}

	async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
		this.#variants ??= this.#make();
		const { plain, zipped } = await this.#variants;
		const known = entityTags(req.headers['if-none-match']) ?? [];
		const compressed = acceptsGzip(req.headers['accept-encoding']);
		const { body, etag } = compressed ? zipped : plain;
		const headers = { ...this.#headers, ETag: etag, Vary: 'Accept-Encoding' };
		if (known.includes(etag) || known.includes('*')) return send(res, 304, headers, null);
		const encoding = compressed ? { 'Content-Encoding': 'gzip' } : {};
		send(res, 200, { 'Content-Type': this.#type, ...headers, ...encoding }, body);
	}

	async #make() {
		try {
			const body = await this.#load();
			return { plain: variant(body), zipped: variant(await gzip(body, { level: constants.Z_BEST_COMPRESSION })) };
		} catch (error) {
			this.#variants = undefined; // the next request tries again
			throw error;
		}
	}
}

const variant = (body: Body): Variant => ({ body, etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"` });

/** RFC 9110, section 12.5.3, as far as one coding needs it. */
function acceptsGzip(header: string | string[] | undefined): boolean {
	const codings = [header ?? []].flat().join(',').toLowerCase().split(',');
	return codings.some((coding) => /^\s*(gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$)|$)/.test(coding));
}
