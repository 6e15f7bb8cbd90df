/** What a process has loaded when it has imported what its start imports, and the services that it runs. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from '@jest/globals';
import { ROOT } from '../support/process.ts';

const SCRIPT = `
	import { registerHooks } from 'node:module';
	const packages = new Set();
	registerHooks({
		load(url, context, next) {
			const [, name] = /.*node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url) ?? [];
			if (name !== undefined) packages.add(name);
			return next(url, context);
		},
	});
	for (const file of process.argv.slice(1)) await import(file);
	console.log([...packages].join(' '));
`;

/** The packages that are loaded by these services. */
function packagesOf(...services: readonly string[]): string[] {
	const files = ['bin/application.ts', ...services.map((name) => `services/${name}.service.ts`)];
	const urls = files.map((file) => pathToFileURL(join(ROOT, file)).href);
	const args = ['--input-type=module', '--eval', SCRIPT, ...urls];
	const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
	if (stdout === '') throw new Error(stderr);
	return stdout.trim().split(' ');
}

const READING = ['sequelize', 'moleculer-db', 'moleculer-db-adapter-sequelize'];
const HTTP = ['moleculer-web', 'jose', '@scalar/fastify-api-reference'];
const BROKERS = ['amqplib', 'kafkajs', 'ioredis', '@platformatic/kafka'];

/** Only the API: the SDK is loaded where traces go somewhere. */
const isTelemetry = (name: string): boolean => name.startsWith('@opentelemetry/');

const ofThese = (packages: readonly string[], wanted: readonly string[]): string[] =>
	wanted.filter((name) => packages.includes(name));

it.each([
	['settlement', [], []],
	['shipping', [], []],
	['outbox-relay', [], []],
	['webhooks', [], []],
	['orders', READING, []],
	['gateway', [], ['moleculer-web', 'jose']],
])(
	'%s alone',
	(service, reading, http) => {
		const packages = packagesOf(service);
		expect(packages).toContain('moleculer');
		expect(ofThese(packages, READING)).toEqual(reading);
		expect(ofThese(packages, HTTP)).toEqual(http);
		expect(ofThese(packages, BROKERS)).toEqual([]);
		expect(packages.filter(isTelemetry)).toEqual(['@opentelemetry/api']);
	},
	60_000,
);
