/** `bin/audit.ts` with the real npm against a registry of the test's own. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from '@jest/globals';
import { ROOT } from '../support/process.ts';

/** Runs it against a registry that knows one advisory, or has no such service. */
async function audit(advisory?: { readonly name: string; readonly severity: string }) {
	const registry = createServer((req, res) => {
		req.resume();
		const answers = advisory !== undefined && req.url?.endsWith('/advisories/bulk');
		res.writeHead(answers ? 200 : 405, { 'content-type': 'application/json' });
		if (!answers) return res.end('{}');
		const { name, severity } = advisory;
		const entry = { id: 1, title: 'Open door', url: 'https://advisories.test/1', severity, vulnerable_versions: '*' };
		return res.end(JSON.stringify({ [name]: [{ ...entry, cwe: [], cvss: { score: 0, vectorString: null } }] }));
	});
	await new Promise<void>((listening) => registry.listen(0, '127.0.0.1', listening));
	const { port } = registry.address() as AddressInfo;
	// npm remembers advisories by their number.
	const cache = await mkdtemp(join(tmpdir(), 'pp-audit-'));
	try {
		const child = spawn(process.execPath, [join(ROOT, 'bin/audit.ts')], {
			cwd: ROOT,
			env: { ...process.env, npm_config_registry: `http://127.0.0.1:${port}`, npm_config_cache: cache },
			stdio: ['ignore', 'pipe', 'inherit'],
		});
		const ended = new Promise<number | null>((exited) => child.once('close', exited));
		return { lines: (await text(child.stdout)).trim().split('\n'), code: await ended };
	} finally {
		registry.close();
		await rm(cache, { recursive: true, force: true });
	}
}

it('fails on a severe vulnerability of what production runs', async () => {
	const { code, lines } = await audit({ name: 'moleculer-web', severity: 'high' });
	expect(code).toBe(1);
	expect(lines[0]).toMatch(/^audit: high: moleculer-web .*Open door https:\/\/advisories\.test\/1/);
});

it('names one that is not severe, and passes', async () => {
	const { code, lines } = await audit({ name: 'moleculer-web', severity: 'moderate' });
	expect([code, lines.at(-1)]).toEqual([0, 'audit: 1 vulnerable packages in production, 0 of them severe']);
});

it('passes over what only development needs', async () => {
	const { code, lines } = await audit({ name: 'jest', severity: 'critical' });
	expect([code, lines]).toEqual([0, ['audit: 0 vulnerable packages in production, 0 of them severe']]);
});

it('passes with one line where the registry has no audit', async () => {
	const { code, lines } = await audit();
	expect([code, lines.length]).toEqual([0, 1]);
	expect(lines[0]).toContain('not done');
});
