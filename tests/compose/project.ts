/** The project that Compose files make, as a tool of the Compose specification loads it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { ROOT } from '../support/process.ts';

/** The parts of the loaded form that the tests look at. */
export interface Service {
	readonly image: string;
	readonly build?: unknown;
	readonly pull_policy?: string;
	readonly user?: string;
	readonly container_name?: string;
	readonly hostname?: string;
	readonly command?: readonly string[] | null;
	readonly environment?: Readonly<Record<string, string | null>>;
	readonly ports?: readonly { readonly host_ip?: string; readonly target: number; readonly published: string }[];
	readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
	readonly restart?: string;
	readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
	readonly stop_grace_period?: string;
	readonly init?: boolean;
	readonly privileged?: boolean;
	readonly read_only?: boolean;
	readonly cap_add?: readonly string[];
	readonly cap_drop?: readonly string[];
	readonly security_opt?: readonly string[];
	readonly logging?: { readonly options?: Readonly<Record<string, string>> };
	readonly deploy?: { readonly resources?: { readonly limits?: { readonly memory?: string; readonly pids?: number } } };
	readonly volumes?: readonly {
		readonly type: string;
		readonly source?: string;
		readonly target: string;
		readonly read_only?: boolean;
	}[];
}

export interface Project {
	readonly name: string;
	readonly services: Readonly<Record<string, Service>>;
	readonly volumes?: Readonly<Record<string, unknown>>;
}

/** The files that name a broker; a test gives each of the passwords unless it is about their absence. */
export const BROKERS = ['rabbitmq', 'kafka', 'redis'] as const;
export const PASSWORDS = {
	POSTGRES_PASSWORD: 'p-secret-p',
	RABBITMQ_PASSWORD: 'r-secret-r',
	REDIS_PASSWORD: 'd-secret-d',
	GRAFANA_PASSWORD: 'g-secret-g',
};
/** Laid over the first file. */
export const OBSERVABILITY = 'ops/docker-compose.observability.yml';

export type Variables = Readonly<Record<string, string>>;

/** The first build on a machine fetches modules and compiles them. */
const BUILD = 600_000;
const HAS_GO = spawnSync('go', ['version']).status === 0;
const SKIPPED = 'skipped: there is no Go here, which their loader needs';

/** Tests of the Compose files. */
export function describeCompose(name: string, tests: (files: ComposeFiles) => void): void {
	const files = new ComposeFiles();
	if (!HAS_GO && process.env.REQUIRE_GO === '1') {
		describe(name, () => {
			it('needs Go, since REQUIRE_GO=1', () => {
				throw new Error('install Go, or leave REQUIRE_GO unset');
			});
		});
		return;
	}
	// Compose's own loader is a Go library, and there is no other; nothing else here needs Go, so a developer may have none.
	if (!HAS_GO) return void describe.skip(`${name} (${SKIPPED})`, () => tests(files));
	describe(name, () => {
		beforeAll(() => files.build(), BUILD);
		afterAll(() => files.remove());
		tests(files);
	});
}

/** The project's own Compose files in a folder without a developer's `.env`, and the tool that loads them. */
export class ComposeFiles {
	readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'protected-payment-compose-')));
	readonly #loaded = new Map<string, Project>();

	build(): void {
		const names = readdirSync(ROOT).filter((name) => /^docker-compose\..*(?:yml|env)$/.test(name));
		mkdirSync(join(this.folder, 'ops'));
		for (const name of [...names, OBSERVABILITY]) copyFileSync(join(ROOT, name), join(this.folder, name));
		const program = join(this.folder, 'check');
		execFileSync('go', ['build', '-o', program, '.'], { cwd: join(ROOT, 'tests/compose'), stdio: 'pipe' });
	}

	remove(): void {
		rmSync(this.folder, { recursive: true });
	}

	/** With nothing in the environment but `variables`; throws what the tool has to say. */
	load(files: readonly string[], variables: Variables): Project {
		const key = JSON.stringify([files, variables]);
		const known = this.#loaded.get(key) ?? this.#read(files, variables);
		this.#loaded.set(key, known);
		return known;
	}

	/** The whole system, with further files laid over it. */
	whole(variables: Variables = {}, ...more: string[]): Project {
		return this.load(['docker-compose.yml', ...more], { ...PASSWORDS, ...variables });
	}

	/** One broker for a developer. */
	alone(broker: string): Project {
		return this.load([`docker-compose.${broker}.yml`], PASSWORDS);
	}

	/** Every service of every way to start, named by its way. */
	everywhere(): [string, Service][] {
		const ways: [string, Project][] = BROKERS.flatMap((broker) => [
			[`all with ${broker}`, this.whole({ BROKER: broker })],
			[`${broker} alone`, this.alone(broker)],
		]);
		ways.push(['public', this.whole({ GATEWAY_ADDRESS: '192.0.2.1' }, 'docker-compose.public.yml')]);
		ways.push(['observed', this.whole({}, OBSERVABILITY)]);
		return ways.flatMap(([way, { services }]) =>
			Object.entries(services).map(([name, found]): [string, Service] => [`${way}: ${name}`, found]),
		);
	}

	#read(files: readonly string[], variables: Variables): Project {
		const tool = { cwd: this.folder, env: { ...variables }, encoding: 'utf8' } as const;
		const { status, stdout, stderr } = spawnSync(join(this.folder, 'check'), files, tool);
		if (status !== 0) throw new Error(stderr.trim());
		return JSON.parse(stdout);
	}
}

export function service({ services }: Project, name: string): Service {
	const found = services[name];
	if (found === undefined) throw new Error(`no service ${name}`);
	return found;
}
