/** `/openapi.json`, and the page that shows it: all of it served from here, nothing from outside. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Asset } from './asset.ts';
import { type DocumentOptions, openApiDocument } from './openapi/document.ts';
import { DOCUMENTS, type DocumentName } from './routes.ts';

const SCALAR = join(import.meta.dirname, '../../node_modules/@scalar/fastify-api-reference');

/** Where they change with a new version of this project: asked for again each time, sent again only when changed. */
const REVALIDATED = { 'Cache-Control': 'no-cache' };
/** Where the URL carries the version. */
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

export function documents(options: DocumentOptions): Readonly<Record<DocumentName, Asset>> {
	return {
		openapi: new Asset({
			type: 'application/json',
			load: async () => Buffer.from(JSON.stringify(openApiDocument(options))),
			headers: REVALIDATED,
		}),
		reference: new Asset({
			type: 'text/html; charset=utf-8',
			load: async () => Buffer.from(page(await scalarVersion())),
			headers: { ...REVALIDATED, 'Content-Security-Policy': PAGE_POLICY },
		}),
		'reference/script': new Asset({
			type: 'text/javascript; charset=utf-8',
			load: () => readFile(join(SCALAR, 'dist/js/standalone.js')),
			headers: IMMUTABLE,
		}),
	};
}

async function scalarVersion(): Promise<string> {
	const { version }: { version: string } = JSON.parse(await readFile(join(SCALAR, 'package.json'), 'utf8'));
	return version;
}

/** Relative, so that the page works below any prefix that a proxy adds. */
const page = (version: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Protected Payment API</title>
<link rel="icon" href="data:,">
</head>
<body>
<script id="api-reference" data-url="${DOCUMENTS.openapi}" data-configuration="${attribute(CONFIGURATION)}"></script>
<script src="${DOCUMENTS['reference/script']}?v=${version}"></script>
</body>
</html>
`;

const attribute = (value: unknown): string =>
	JSON.stringify(value).replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
