/**
 * `/openapi.json`, the page that shows it, the console's page and files, and a page for each problem: all of it served from here, nothing from
 * outside. Links between them are relative, so they work below any prefix that a proxy adds.
 */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import {
	PROBLEM_CODES,
	PROBLEMS,
	type ProblemCode,
	ProblemError,
	problemType,
	routeNotFound,
	send,
} from '../../../mixins/http/index.ts';
import { ConsoleFiles, type ConsoleSettings } from '../console-files.ts';
import { Asset } from '../http/asset.ts';
import { escaped, htmlPage } from '../http/html.ts';
import { DOCUMENTS, type DocumentName, wayUp } from '../http/routes.ts';
import { type DocumentOptions, openApiDocument } from './document.ts';

/** The page, from the root. */
const REFERENCE = DOCUMENTS.reference.slice(1);

const SCALAR = join(import.meta.dirname, '../../../node_modules/@scalar/fastify-api-reference');

/**
 * For documents that change with a version of this project: browsers ask each time, and get them again only if they
 * changed.
 */
const REVALIDATED = { 'Cache-Control': 'no-cache' };
/** For documents whose URL contains the version. */
const IMMUTABLE = { 'Cache-Control': 'public, max-age=31536000, immutable' };

/** Scalar writes its styles into the page; its script needs WebAssembly for colouring code and takes no `eval`. */
const PAGE_POLICY = [
	"default-src 'none'",
	"script-src 'self' 'wasm-unsafe-eval'",
	"style-src 'self' 'unsafe-inline'",
	"img-src 'self' data:",
	"font-src 'self' data:",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
].join('; ');

/** `agent`, `mcp`, `proxyUrl` and the fonts are what would ask other hosts. */
const CONFIGURATION = {
	agent: { disabled: true },
	mcp: { disabled: true },
	proxyUrl: '',
	withDefaultFonts: false,
	telemetry: false,
	defaultOpenAllTags: true,
	orderSchemaPropertiesBy: 'preserve',
	hideClientButton: true,
	showDeveloperTools: 'never',
	defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
};

/** A page without scripts and styles; the icon is empty. */
const PROBLEM_POLICY = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML = 'text/html; charset=utf-8';

/** Each problem by the name that ends its `type`. */
const KINDS = new Map(PROBLEM_CODES.map((code) => [problemType(code), code]));

/**
 * Runs before Scalar, which takes a relative server for one at the root of the origin, and not beside the document.
 * The version of the script's URL is that of both.
 */
const PRELUDE = `{
	const { dataset } = document.getElementById('api-reference');
	const servers = [{ url: new URL('../..', document.currentScript.src).href.slice(0, -1) }];
	dataset.configuration = JSON.stringify({ ...JSON.parse(dataset.configuration), servers });
}
`;
const PRELUDE_VERSION = 1;

export class Documents {
	readonly #options: DocumentOptions;
	readonly #console: ConsoleFiles;
	/** by name and by the way up to the root, which is longer for a path that ends in a slash */
	readonly #assets = new Map<string, Asset>();

	constructor(options: DocumentOptions, console: ConsoleSettings) {
		this.#options = options;
		this.#console = new ConsoleFiles(console);
	}

	/** Throws 404 for an unknown problem or file. */
	async answer(name: DocumentName, slug: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
		const up = wayUp(req.url ?? '');
		if (name === 'root') return send(res, 303, { Location: `${up}${DOCUMENTS.console.slice(1)}` }, '');
		if (name === 'console') return await this.#console.answerPage(up, req, res);
		if (name === 'console/file') return await this.#console.answerFile(slug, req, res);
		const key = `${name} ${slug} ${up}`;
		const asset = this.#assets.get(key) ?? this.#make(name, slug, up);
		this.#assets.set(key, asset);
		await asset.answer(req, res);
	}

	#make(name: Exclude<DocumentName, 'root' | 'console' | 'console/file'>, slug: string, up: string): Asset {
		switch (name) {
			case 'openapi':
				return new Asset('application/json', REVALIDATED, () =>
					JSON.stringify(openApiDocument({ ...this.#options, server: up.slice(0, -1) })),
				);
			case 'reference':
				return new Asset(HTML, { ...REVALIDATED, 'Content-Security-Policy': PAGE_POLICY }, () => referencePage(up));
			case 'reference/script':
				return new Asset('text/javascript; charset=utf-8', IMMUTABLE, async () =>
					Buffer.concat([Buffer.from(PRELUDE), await readFile(join(SCALAR, 'dist/js/standalone.js'))]),
				);
			case 'problem': {
				const code = KINDS.get(`/problems/${slug}`);
				if (code === undefined) throw new ProblemError(routeNotFound());
				return new Asset(HTML, { ...REVALIDATED, 'Content-Security-Policy': PROBLEM_POLICY }, () =>
					problemPage(code, up),
				);
			}
		}
	}
}

async function referencePage(up: string): Promise<string> {
	const { version }: { version: string } = JSON.parse(await readFile(join(SCALAR, 'package.json'), 'utf8'));
	const script = `${up}${DOCUMENTS['reference/script'].slice(1)}?v=${version}.${PRELUDE_VERSION}`;
	const configuration = escaped(JSON.stringify(CONFIGURATION));
	return htmlPage(
		'Protected Payment API',
		`<script id="api-reference" data-url="${up}${DOCUMENTS.openapi.slice(1)}" data-configuration="${configuration}"></script>
<script src="${script}"></script>`,
	);
}

/** The table's row, in words. */
function problemPage(code: ProblemCode, up: string): string {
	const { status, title, meaning } = PROBLEMS[code];
	return htmlPage(
		escaped(title),
		`<h1>${escaped(title)}</h1>
<p><code>${escaped(code)}</code>, HTTP status ${status}</p>
<p>${escaped(meaning).replaceAll(/`([^`]*)`/g, '<code>$1</code>')}</p>
<p><a href="${up}${REFERENCE}">All operations and their problems</a></p>`,
	);
}
