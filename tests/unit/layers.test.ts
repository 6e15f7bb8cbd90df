import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ROOT } from '../support/process.ts';

const REFUSED: readonly [string, string][] = [
	['domain/a.ts', 'node:fs'],
	['domain/b.ts', 'uuid'],
	['domain/c.ts', '../mixins/ids.ts'],
	['mixins/a.ts', '../services/orders.service.ts'],
	['mixins/database/a.ts', '../../services/topology.ts'],
	['mixins/b.ts', '../moleculer.config.ts'],
	['mixins/c.ts', '../bin/start.ts'],
	['services/a.ts', '../moleculer.config.ts'],
	['services/orders/a.ts', '../../bin/start.ts'],
];
const ALLOWED: readonly [string, string][] = [
	['domain/d.ts', './money.ts'],
	['mixins/d.ts', '../domain/money.ts'],
	['services/b.ts', '../mixins/ids.ts'],
	['bin/a.ts', '../moleculer.config.ts'],
];

/** A folder with the project's own lint rules and a file for each of these imports. */
let folder: string;
let said: string;

beforeAll(() => {
	folder = realpathSync(mkdtempSync(join(tmpdir(), 'protected-payment-floors-')));
	copyFileSync(join(ROOT, 'biome.json'), join(folder, 'biome.json'));
	for (const [path, imported] of [...REFUSED, ...ALLOWED]) {
		mkdirSync(join(folder, dirname(path)), { recursive: true });
		writeFileSync(join(folder, path), `import * as other from '${imported}';\n\nexport const used = other;\n`);
	}
	const args = ['lint', '--vcs-enabled=false', '--reporter=github', '--max-diagnostics=none', '.'];
	said = spawnSync(join(ROOT, 'node_modules/.bin/biome'), args, { cwd: folder, encoding: 'utf8' }).stdout;
});
afterAll(() => rmSync(folder, { recursive: true }));

const complaints = (path: string): string[] =>
	said
		.split('\n')
		.filter((line) => line.includes('noRestrictedImports') && line.includes(`file=${join(folder, path)},`));

describe('the floors', () => {
	it.each(REFUSED)('%s may not import %s', (path) => expect(complaints(path)).toHaveLength(1));
	it.each(ALLOWED)('%s may import %s', (path) => expect(complaints(path)).toEqual([]));
});
