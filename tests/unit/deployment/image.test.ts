import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../../bin/brokers/ports.ts';
import { ProbeServer } from '../../../mixins/observability/probe-server.ts';
import { memoryLog } from '../../support/database.ts';
import { ROOT } from '../../support/process.ts';

interface Locked {
	readonly dev?: boolean;
	readonly optional?: boolean;
}

const text = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
const { scripts, dependencies } = JSON.parse(text('package.json'));
const locked: Readonly<Record<string, Locked>> = JSON.parse(text('package-lock.json')).packages;

/** The image's own Node need not be looked at first. */
const plain = (script: string): string => script.replace('--import ./bin/runtime.mjs ', '');

const lines = (name: string): string[] =>
	text(name)
		.replace(/^#.*\n/gm, '')
		.replace(/\\\n\s*/g, '')
		.split('\n')
		.filter((line) => line !== '');

const dockerfile = lines('Dockerfile');
const bases = dockerfile.filter((line) => line.startsWith('FROM '));
const final = dockerfile.slice(dockerfile.findLastIndex((line) => line.startsWith('FROM ')));
const argumentsOf = (name: string): string =>
	final.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? '';
const copied = final
	.filter((line) => line.startsWith('COPY ') && !line.startsWith('COPY --'))
	.flatMap((line) => line.split(' ').slice(1, -1));
const dockerignore = lines('.dockerignore');

/** The image's folder: the files that go in, and the packages that `npm ci` would put there. */
let image: string;

beforeAll(() => {
	image = realpathSync(mkdtempSync(join(tmpdir(), 'protected-payment-image-')));
	for (const name of copied) cpSync(join(ROOT, name), join(image, name), { recursive: true });
	for (const name of dockerignore.filter((line) => /^[^*!]/.test(line))) rmSync(join(image, name), { recursive: true });
	for (const [path, { dev = false, optional = false }] of Object.entries(locked)) {
		const isOwn = /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path);
		if (!isOwn || dev || optional) continue;
		mkdirSync(dirname(join(image, path)), { recursive: true });
		symlinkSync(join(ROOT, path), join(image, path));
	}
});
afterAll(() => rmSync(image, { recursive: true }));

/** Runs a program of the image with nothing in its environment but `env`: its exit code and all that it printed. */
function run(program: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
	const inside = ['--preserve-symlinks', '--preserve-symlinks-main', program, ...args];
	return new Promise<{ readonly code: number | null; readonly said: string }>((done) => {
		const child = execFile(
			process.execPath,
			inside,
			{ cwd: image, env: { ...env }, timeout: 50_000 },
			(_error, out, err) => done({ code: child.exitCode, said: (out + err).trim() }),
		);
	});
}

describe('the image', () => {
	it("runs on the project's own Node, pinned", () => {
		expect(bases).toHaveLength(2);
		for (const base of bases)
			expect(base).toMatch(new RegExp(`^FROM node:${dependencies.node}-bookworm-slim(?: AS |$)`));
	});

	it('starts as npm would, with no shell and no npm between it and its signals', () => {
		expect(JSON.parse(argumentsOf('CMD'))).toEqual(plain(scripts.start).replace('exec ', '').split(' '));
	});

	it('runs as a user that is not root, by number', () => expect(argumentsOf('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/));

	it('is made without packages of development, and without their scripts', () => {
		const install = dockerfile.find((line) => line.startsWith('RUN npm ci'))?.split(' ');
		expect(install).toEqual(expect.arrayContaining(['--omit=dev', '--omit=optional', '--ignore-scripts']));
	});

	it('lets nothing in but what it names, all of which is there', () => {
		const allowed = dockerignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
		expect(dockerignore[0]).toBe('*');
		expect(allowed.sort()).toEqual([...copied, 'package-lock.json'].sort());
		for (const name of allowed) expect(existsSync(join(ROOT, name))).toBe(true);
	});

	it('has all that its programs import', async () => {
		expect(await run('bin/start.ts', [], { SERVICES: 'nobody' })).toMatchObject({
			code: 1,
			said: expect.stringMatching(/^SERVICES="nobody" is not understood/),
		});
		expect(await run('bin/migrate.ts')).toEqual({ code: 1, said: expect.stringMatching(/^usage: /) });
		expect(await run('bin/repl.ts', [], { DATA_DIR: join(image, 'none') })).toEqual({
			code: 1,
			said: expect.stringMatching(/^No running system to join/),
		});
	});

	it('has no PostgreSQL of its own, and says so', async () => {
		expect(await run('bin/start.ts')).toEqual({ code: 1, said: expect.stringMatching(/set DATABASE_URL$/) });
	});
});

describe('the health check', () => {
	const check = (port: number, env: Readonly<Record<string, string>> = {}) =>
		run('bin/ready.ts', [], { METRICS_PORT: String(port), ...env });

	async function answered(
		status: number,
		host = '127.0.0.1',
	): Promise<{ readonly code: number | null; readonly said: string }> {
		const probes = new ProbeServer(
			new Map([['/health/ready', () => ({ status, type: 'application/json', body: `{"status":${status}}` })]]),
			memoryLog(),
		);
		const url = await probes.listen(host, 0);
		try {
			return await check(Number(new URL(url).port), host === '127.0.0.1' ? {} : { HOST: host });
		} finally {
			await probes.close();
		}
	}

	it('ends with 0 if the process is ready', async () =>
		expect(await answered(200)).toEqual({ code: 0, said: '{"status":200}' }));

	it.each(['::1', 'localhost', '0.0.0.0', '::'])('asks where HOST=%s listens', async (host) =>
		expect(await answered(200, host)).toEqual({ code: 0, said: '{"status":200}' }),
	);

	it('ends with 1 and what is missing if it is not', async () =>
		expect(await answered(503)).toEqual({ code: 1, said: '{"status":503}' }));

	it('ends with 1 and one line if nobody is there', async () => {
		const { code, said } = await check(await freePort());
		expect([code, said]).toEqual([1, expect.stringMatching(/^connect ECONNREFUSED .*$/)]);
	});

	it('ends with 1 and one line if nobody answers', async () => {
		const silent = createServer().listen(0, '127.0.0.1');
		await once(silent, 'listening');
		const { port } = silent.address() as AddressInfo;
		const { code, said } = await check(port);
		silent.close();
		expect([code, said]).toEqual([1, expect.stringMatching(/^.*timeout.*$/)]);
	});

	it('ends with 1 and one line if nobody has told it where to ask', async () =>
		expect(await run('bin/ready.ts')).toEqual({ code: 1, said: 'METRICS_PORT is not set' }));
});
