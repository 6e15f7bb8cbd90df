/** docs/kubernetes.md: what Kubernetes takes, and what this program makes of it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseSettings, SERVICE_NAMES } from '../../../mixins/settings/settings.ts';
import { type Manifest, manifests, manifestTexts, type PodSpec, scrapeConfig } from '../../support/manifests.ts';
import { ROOT } from '../../support/process.ts';
import { PROMTOOL, promtool, titled } from '../../support/promtool.ts';

/** Python's package of that name, which has the schemas of Kubernetes in it. */
const VALIDATOR = 'kubernetes-validate';
const REQUIRED = process.env.REQUIRE_KUBERNETES_VALIDATE === '1';
const HAS_VALIDATOR = REQUIRED || spawnSync(VALIDATOR, ['--version']).error === undefined;

const { version, scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const ofKind = (kind: string): readonly Manifest[] => manifests.filter((manifest) => manifest.kind === kind);
const named = (kind: string, name: string): Manifest => {
	const found = ofKind(kind).find(({ metadata }) => metadata.name === name);
	if (found === undefined) throw new Error(`no ${kind} ${name}`);
	return found;
};
const deployments = SERVICE_NAMES.map((name) => [name, named('Deployment', `protected-payment-${name}`)] as const);

function only<T>(list: readonly T[]): T {
	const [first] = list;
	if (first === undefined || list.length > 1) throw new Error(`not one, but ${list.length}`);
	return first;
}

/** What a process is given: the environment, and the files of the secrets that are mounted. */
function settingsOf({ containers, volumes }: PodSpec) {
	const { env = [], envFrom = [], volumeMounts } = only(containers);
	const files = new Map<string, string>();
	for (const { name, mountPath } of volumeMounts) {
		const secretName = volumes.find((volume) => volume.name === name)?.secret?.secretName;
		if (secretName === undefined) continue;
		for (const [key, value] of Object.entries(named('Secret', secretName).stringData ?? {})) {
			files.set(`${mountPath}/${key}`, value);
		}
	}
	const shared = envFrom.flatMap(({ configMapRef }) =>
		Object.entries(named('ConfigMap', configMapRef.name).data ?? {}),
	);
	const own = env.map(({ name, value }): [string, string] => [name, value]);
	const environment: Record<string, string> = Object.fromEntries([...shared, ...own]);
	const settings = parseSettings(environment, (path) => {
		const text = files.get(path);
		if (text === undefined) throw new Error(`${path} is not mounted`);
		return text;
	});
	return { settings, files: [...files.keys()] };
}

describe('the manifests', () => {
	it('are a Deployment for each service, and what goes with them', () => {
		const count = (kind: string): number => ofKind(kind).length;
		expect(count('Deployment')).toBe(SERVICE_NAMES.length);
		expect(count('PodDisruptionBudget')).toBe(SERVICE_NAMES.length);
		expect(['Job', 'ConfigMap', 'Secret', 'Service', 'ScaledObject', 'HorizontalPodAutoscaler'].map(count)).toEqual([
			...[1, 1, 4, 1, 2, 2],
		]);
		expect(new Set(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).size).toBe(manifests.length);
	});

	it.each(deployments)('run %s, with settings that it understands and no secret of another', (name, { spec }) => {
		const { settings, files } = settingsOf(spec.template.spec);
		expect(settings).toMatchObject({
			...{ services: [name], migrate: false, metricsPort: 5301, paymentProvider: 'stripe', logFormat: 'json' },
			...{ database: { kind: 'url', address: { user: 'runner' } }, broker: { kind: 'amqp' } },
		});
		expect(settings.stripe.apiKey).toBe(name === 'settlement' ? 'sk_test_0123456789' : undefined);
		expect(settings.access.auth.kind).toBe(name === 'gateway' ? 'jwt' : 'off');
		const own = {
			settlement: ['/run/secrets/provider/stripe-api-key'],
			gateway: ['/run/secrets/gateway/stripe-webhook-secret'],
		};
		const shared = ['broker-url', 'database-url'].map((file) => `/run/secrets/protected-payment/${file}`);
		expect(files.sort()).toEqual([...(own[name as keyof typeof own] ?? []), ...shared].sort());
	});

	it.each(deployments)('ask %s for its health where it tells it, and give it the time to stop', (_, { spec }) => {
		const { containers, terminationGracePeriodSeconds = 0 } = spec.template.spec;
		const { readinessProbe, livenessProbe, ports = [] } = only(containers);
		expect([readinessProbe?.httpGet, livenessProbe?.httpGet]).toEqual([
			{ path: '/health/ready', port: 'metrics' },
			{ path: '/health/live', port: 'metrics' },
		]);
		const { settings } = settingsOf(spec.template.spec);
		expect(ports).toContainEqual({ name: 'metrics', containerPort: settings.metricsPort });
		const leaving = settings.shutdownDelay / 1_000;
		expect(terminationGracePeriodSeconds).toBeGreaterThan(leaving + 10);
		// It is out of the balancer before its stop begins.
		expect(leaving).toBeGreaterThan((readinessProbe?.periodSeconds ?? 99) * (readinessProbe?.failureThreshold ?? 99));
		expect(spec.strategy).toEqual({ rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
	});

	it('let one pod of a service go at a time', () => {
		for (const [name, { spec }] of deployments) {
			const budget = named('PodDisruptionBudget', `protected-payment-${name}`);
			expect(budget.spec).toEqual({ maxUnavailable: 1, selector: spec.selector });
			expect(spec.selector?.matchLabels).toEqual(spec.template.metadata.labels);
		}
	});

	it('migrate by the command of npm, as a role of its own', () => {
		const { spec, metadata } = only(ofKind('Job'));
		const { command, image } = only(spec.template.spec.containers);
		expect(command?.join(' ')).toBe(`${scripts.migrate.replace('--import ./bin/runtime.mjs ', '')} up`);
		expect([image, metadata.name]).toEqual([
			`registry.example/protected-payment:${version}`,
			`protected-payment-migrate-${version.replaceAll('.', '-')}`,
		]);
		for (const [, deployment] of deployments) expect(only(deployment.spec.template.spec.containers).image).toBe(image);
		expect(settingsOf(spec.template.spec).settings.database).toMatchObject({ address: { user: 'migrator' } });
	});

	it('publish the gateway', () => {
		const { selector, ports } = JSON.parse(JSON.stringify(only(ofKind('Service')).spec));
		const { spec } = named('Deployment', 'protected-payment-gateway');
		expect(selector).toEqual(spec.template.metadata.labels);
		const { http } = settingsOf(spec.template.spec).settings;
		expect(only(spec.template.spec.containers).ports).toContainEqual({
			name: ports[0].targetPort,
			containerPort: http.port,
		});
	});

	it('scale Deployments that are there, within what Stripe allows', () => {
		for (const { spec } of [...ofKind('ScaledObject'), ...ofKind('HorizontalPodAutoscaler')]) {
			expect(named('Deployment', spec.scaleTargetRef?.name ?? '')).toBeDefined();
		}
		for (const { spec } of ofKind('ScaledObject')) {
			for (const { type, metadata } of spec.triggers ?? []) {
				expect([type, Number(metadata.threshold)]).toEqual(['prometheus', expect.any(Number)]);
				expect(Object.keys(metadata)).toEqual(['serverAddress', 'query', 'threshold']);
			}
		}
		const most = JSON.parse(JSON.stringify(named('ScaledObject', 'protected-payment-settlement').spec)).maxReplicaCount;
		const { settings } = settingsOf(named('Deployment', 'protected-payment-settlement').spec.template.spec);
		expect(settings.stripe.callsPerSecond * most).toBeLessThan(25);
	});
});

(HAS_VALIDATOR ? it : it.skip)(
	HAS_VALIDATOR
		? 'the schemas of Kubernetes take them'
		: 'the schemas of Kubernetes take them (skipped: pip install kubernetes-validate)',
	() => {
		const folder = mkdtempSync(join(tmpdir(), 'protected-payment-kubernetes-'));
		try {
			// What is not Kubernetes' own has no schema there. The page's own text: kubectl too reads it as YAML 1.1.
			const own = manifestTexts.flatMap((text) => text.split(/^---\n/m)).filter((text) => !text.includes('keda.sh/'));
			expect(own).toHaveLength(manifests.length - ofKind('ScaledObject').length);
			const check = (texts: readonly string[]) => {
				const files = texts.map((text, index) => {
					const file = join(folder, `${index}.yaml`);
					writeFileSync(file, text);
					return file;
				});
				const { status, stdout, stderr, error } = spawnSync(VALIDATOR, ['--strict', ...files], { encoding: 'utf8' });
				if (error !== undefined) throw error;
				return { status, said: stdout + stderr };
			};
			const { status, said } = check(own);
			expect([status, status === 0 ? '' : said]).toEqual([0, '']);
			expect(said.match(/^INFO .* passed for resource /gm)).toHaveLength(own.length);
			for (const [found, mistake] of [
				['maxSurge: 1', 'maxSurge: [1]'],
				['periodSeconds', 'periodSecond'],
			] as const) {
				expect(check(own.map((text) => text.replaceAll(found, mistake))).status).not.toBe(0);
			}
		} finally {
			rmSync(folder, { recursive: true });
		}
	},
	60_000,
);

(PROMTOOL ? it : it.skip)(titled('Prometheus takes what the page gives it', PROMTOOL), () => {
	const folder = mkdtempSync(join(tmpdir(), 'protected-payment-scrape-'));
	try {
		const file = join(folder, 'prometheus.yml');
		// Debian builds it without Kubernetes.
		const elsewhere = scrapeConfig.replace(
			/kubernetes_sd_configs:\n.*\n/,
			"static_configs: [{ targets: ['127.0.0.1:5301'] }]\n",
		);
		expect(elsewhere).not.toBe(scrapeConfig);
		writeFileSync(file, elsewhere);
		expect(promtool(['check', 'config', file])).toMatchObject({ status: 0 });
	} finally {
		rmSync(folder, { recursive: true });
	}
});
