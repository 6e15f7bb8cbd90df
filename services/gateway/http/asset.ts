import { hash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip as gzipLater } from 'node:zlib';
import { send } from '../../../mixins/http/index.ts';
import { entityTags } from './conditions.ts';

const gzip = promisify(gzipLater);

interface Variant {
	readonly body: Uint8Array;
	readonly etag: string;
}

export interface AssetOptions {
	readonly type: string;
	readonly load: () => Promise<Uint8Array>;
	/** further header fields, `Cache-Control` above all */
	readonly headers: OutgoingHttpHeaders;
}

/** A document that does not change while the process runs: loaded and compressed once, when it is first asked for. */
export class Asset {
	readonly #options: AssetOptions;
	#variants: Promise<{ readonly plain: Variant; readonly zipped: Variant }> | undefined;

	constructor(options: AssetOptions) {
		this.#options = options;
	}

	async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
		const { plain, zipped } = await this.#load();
		const known = entityTags(req.headers['if-none-match']) ?? [];
		const compressed = acceptsGzip(req.headers['accept-encoding']);
		const { body, etag } = compressed ? zipped : plain;
		const headers = { ...this.#options.headers, ETag: etag, Vary: 'Accept-Encoding' };
		if (known.includes(etag) || known.includes('*')) return send(res, 304, headers, null);
		const encoding = compressed ? { 'Content-Encoding': 'gzip' } : {};
		send(res, 200, { 'Content-Type': this.#options.type, ...headers, ...encoding }, body);
	}

	async #load() {
		this.#variants ??= variantsOf(this.#options.load());
		try {
			return await this.#variants;
		} catch (error) {
			this.#variants = undefined;
			throw error;
		}
	}
}

async function variantsOf(loading: Promise<Uint8Array>) {
	const body = await loading;
	const zipped = await gzip(body, { level: constants.Z_BEST_COMPRESSION });
	return { plain: variant(body), zipped: variant(zipped) };
}

const variant = (body: Uint8Array): Variant => ({ body, etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"` });

/** RFC 9110, section 12.5.3, as far as one coding needs it. */
function acceptsGzip(header: string | string[] | undefined): boolean {
	const codings = [header ?? []].flat().join(',').toLowerCase().split(',');
	return codings.some((coding) => /^\s*(gzip|\*)\s*(;\s*q=(?!0(\.0*)?\s*$)|$)/.test(coding));
}
