/**
 * The console: one page and the modules that it consists of, as they are in `console/` and in the packages Preact and
 * htm. Nothing is built, and nothing comes from outside.
 */
import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import { ProblemError, routeNotFound } from '../../mixins/http/index.ts';
import { Asset } from './http/asset.ts';
import { escaped } from './http/html.ts';

/** What the page has to know of this system. */
export interface ConsoleSettings {
	/** requests need a token */
	readonly auth: boolean;
	readonly provider: string;
	/** of an order that names none */
	readonly currency: string;
	/** the window of an order that names none, such as `10m` */
	readonly window: string;
}

const FOLDER = join(import.meta.dirname, 'console');
const PACKAGES = join(import.meta.dirname, '../../node_modules');

/** The files of packages that are served, and the name that modules import each by. */
const LIBRARIES: Readonly<Record<string, { readonly path: string; readonly imported: string }>> = {
	'preact.mjs': { path: 'preact/dist/preact.mjs', imported: 'preact' },
	'hooks.mjs': { path: 'preact/hooks/dist/hooks.mjs', imported: 'preact/hooks' },
	'htm.mjs': { path: 'htm/dist/htm.module.js', imported: 'htm' },
};

const SCRIPT = 'text/javascript; charset=utf-8';
const TYPES: Readonly<Record<string, string>> = {
	'.js': SCRIPT,
	'.mjs': SCRIPT,
	'.css': 'text/css; charset=utf-8',
	'.svg': 'image/svg+xml',
};
const ENTRY = 'main.js';

const REVALIDATED = { 'Cache-Control': 'no-cache' };
/** The version of all files is part of each URL. */
const IMMUTABLE = { 'Cache-Control': 'public, max-age=31536000, immutable' };

/** The import map is the one inline script; its hash stands for it. */
const policyOf = (importMap: string): string =>
	[
		"default-src 'none'",
		`script-src 'self' 'sha256-${hash('sha256', importMap, 'base64')}'`,
		"style-src 'self'",
		"connect-src 'self'",
		"img-src 'self' data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
	].join('; ');

interface Files {
	/** a hash over all files */
	readonly version: string;
	readonly bodies: ReadonlyMap<string, Buffer>;
}

export class ConsoleFiles {
	readonly #settings: ConsoleSettings;
	#files: Promise<Files> | undefined;
	/** pages by the way up to the root, and files by version and name */
	readonly #assets = new Map<string, Asset>();

	constructor(settings: ConsoleSettings) {
		this.#settings = settings;
	}

	/** `up` leads from the page to the root. */
	async answerPage(up: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
		const files = await this.#read();
		const page = this.#assets.get(up) ?? pageOf(up, files, this.#settings);
		this.#assets.set(up, page);
		await page.answer(req, res);
	}

	/** `path`: version and name. Throws 404 for an unknown name. */
	async answerFile(path: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
		const [asked = '', name = '', ...rest] = path.split('/');
		const { version, bodies } = await this.#read();
		const body = rest.length === 0 ? bodies.get(name) : undefined;
		if (body === undefined) throw new ProblemError(routeNotFound());
		// While a new release comes in, another process may have answered with the page. Its version gets these files too,
		// and may not keep them.
		const cached = asked === version ? IMMUTABLE : REVALIDATED;
		const key = `${cached === IMMUTABLE} ${name}`;
		const asset = this.#assets.get(key) ?? new Asset(TYPES[extname(name)] ?? '', cached, () => body);
		this.#assets.set(key, asset);
		await asset.answer(req, res);
	}

	/** Read once. */
	#read(): Promise<Files> {
		this.#files ??= readFiles().catch((error) => {
			this.#files = undefined; // the next request tries again
			throw error;
		});
		return this.#files;
	}
}

async function readFiles(): Promise<Files> {
	const own = (await readdir(FOLDER)).filter((name) => TYPES[extname(name)] !== undefined).sort();
	const paths = [
		...own.map((name) => [name, join(FOLDER, name)] as const),
		...Object.entries(LIBRARIES).map(([name, { path }]) => [name, join(PACKAGES, path)] as const),
	];
	const bodies = new Map(await Promise.all(paths.map(async ([name, path]) => [name, await readFile(path)] as const)));
	const version = hash('sha256', Buffer.concat([...bodies.values()]), 'hex').slice(0, 12);
	return { version, bodies };
}

function pageOf(up: string, { version, bodies }: Files, settings: ConsoleSettings): Asset {
	const base = `${up}console/${version}/`;
	const imports = Object.entries(LIBRARIES).map(([name, { imported }]) => [imported, base + name]);
	const importMap = JSON.stringify({ imports: Object.fromEntries(imports) });
	const names = [...bodies.keys()];
	const styles = names.filter((name) => name.endsWith('.css'));
	// Without these links the browser would find one module after the other.
	const modules = names.filter((name) => name.endsWith('js') && name !== ENTRY);
	const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Protected Payment</title>
<link rel="icon" href="${base}icon.svg">
${styles.map((name) => `<link rel="stylesheet" href="${base}${name}">`).join('\n')}
<script type="importmap">${importMap}</script>
${modules.map((name) => `<link rel="modulepreload" href="${base}${name}">`).join('\n')}
<script type="module" src="${base}${ENTRY}"></script>
</head>
<body data-settings="${escaped(JSON.stringify(settings))}">
<noscript><p>This page needs JavaScript. The same can be done <a href="${up}scalar/v1">over HTTP</a>.</p></noscript>
</body>
</html>
`;
	const headers = { ...REVALIDATED, 'Content-Security-Policy': policyOf(importMap) };
	return new Asset('text/html; charset=utf-8', headers, () => page);
}
