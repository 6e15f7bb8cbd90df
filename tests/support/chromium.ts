import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where Chromium is installed; undefined where it is not. */
export const CHROMIUM = PLACES.find((path) => existsSync(path));

/** Nothing of the browser's own goes out: no updates, no components, no accounts. */
const QUIET = [
	'--no-sandbox',
	'--disable-gpu',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync',
];

/** `args` are further arguments of the command line. */
export function launch(executablePath: string, args: readonly string[] = []): Promise<Browser> {
	return chromium.launch({ executablePath, args: [...QUIET, ...args] });
}
