import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ROOT } from '../support/process.ts';

const REFUSED: readonly [string, string][] = [
	['domain/a.ts', 'node:fs'],
	['domain/b.ts', 'uuid'],
	['domain/c.ts', '../mixins/runtime/index.ts'],
	// Nothing imports what stands above it.
	['mixins/a.ts', '../services/orders.service.ts'],
	['mixins/b.ts', '../moleculer.config.ts'],
	['mixins/outbox/a.ts', '../../bin/start.ts'],
	['mixins/runtime/a.ts', '../observability/index.ts'],
	['mixins/settings/a.ts', '../database/index.ts'],
	['mixins/database/a.ts', '../outbox/index.ts'],
	['mixins/database/b.ts', '../platform.ts'],
	['mixins/database/reading/a.ts', '../../platform.ts'],
	['mixins/brokers/kafka/a.ts', '../../inbox/index.ts'],
	['mixins/outbox/b.ts', '../inbox/index.ts'],
	['services/a.ts', '../moleculer.config.ts'],
	['services/orders/a.ts', '../../bin/start.ts'],
	// Nothing passes by a door.
	['mixins/c.ts', './outbox/relay.ts'],
	['mixins/brokers/b.ts', '../runtime/loop.ts'],
	['mixins/brokers/kafka/b.ts', '../../runtime/loop.ts'],
	['mixins/inbox/a.ts', '../outbox/unit-of-work.ts'],
	['mixins/calls/a.ts', '../process/index.ts'],
	['mixins/process/a.ts', '../outbox/relay.ts'],
	['services/b.ts', '../mixins/outbox/relay.ts'],
	['services/orders/b.ts', '../../mixins/database/reading/models.ts'],
	['bin/a.ts', '../mixins/brokers/kafka/client.ts'],
];
const ALLOWED: readonly [string, string][] = [
	['domain/d.ts', './money.ts'],
	['mixins/d.ts', '../domain/money.ts'],
	['mixins/e.ts', './outbox/index.ts'],
	['mixins/brokers/c.ts', './kafka/index.ts'],
	['mixins/brokers/kafka/c.ts', '../../../domain/time.ts'],
	['mixins/brokers/kafka/d.ts', '../carrier.ts'],
	['mixins/brokers/kafka/e.ts', '../../runtime/index.ts'],
	['mixins/brokers/kafka/f.ts', './records.ts'],
	['mixins/inbox/b.ts', '../outbox/index.ts'],
	['mixins/inbox/c.ts', '../platform.ts'],
	['mixins/process/b.ts', '../outbox/index.ts'],
	['services/c.ts', '../mixins/outbox/index.ts'],
	['services/orders/c.ts', '../../mixins/database/reading/index.ts'],
	['bin/b.ts', '../moleculer.config.ts'],
	['bin/c.ts', '../mixins/brokers/kafka/index.ts'],
];

/** A folder with the project's own lint rules and a file for each of these imports. */
let folder: string;
let said: string;

beforeAll(() => {
	folder = realpathSync(mkdtempSync(join(tmpdir(), 'protected-payment-layers-')));
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

describe('the layers', () => {
	it.each(REFUSED)('%s may not import %s', (path) => expect(complaints(path)).not.toEqual([]));
	it.each(ALLOWED)('%s may import %s', (path) => expect(complaints(path)).toEqual([]));
});
