/** Prometheus, Grafana and Jaeger beside the system, and the files that they are given. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { SERVICE_NAMES } from '../../../mixins/settings/settings.ts';
import { describeCompose, OBSERVABILITY, service } from '../../compose/project.ts';
import { ROOT } from '../../support/process.ts';
import { PROMTOOL, promtool, titled } from '../../support/promtool.ts';

const read = (name: string) => parse(readFileSync(join(ROOT, name), 'utf8'));

describeCompose('the overlay for observability', (files) => {
	const observed = () => files.whole({}, OBSERVABILITY);

	it('adds three services to the system, and leaves it as it is but for the address of the traces', () => {
		const plain = files.whole().services;
		const { prometheus, grafana, jaeger, ...others } = observed().services;
		for (const added of [prometheus, grafana, jaeger]) expect(added).toBeDefined();
		expect(Object.keys(others).sort()).toEqual(Object.keys(plain).sort());
		for (const [name, found] of Object.entries(others)) {
			const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, ...environment } =
				found.environment ?? {};
			const isOurs = SERVICE_NAMES.some((known) => known === name);
			expect([name, OTEL_EXPORTER_OTLP_ENDPOINT]).toEqual([name, isOurs ? 'http://jaeger:4318' : undefined]);
			expect([OTEL_TRACES_SAMPLER ?? null, OTEL_TRACES_SAMPLER_ARG ?? null]).toEqual([null, null]);
			expect({ ...found, environment }).toEqual({ ...plain[name], environment: plain[name]?.environment ?? {} });
		}
	});

	it('publishes them on this machine alone', () => {
		for (const [name, port] of [
			['prometheus', 9090],
			['grafana', 3000],
			['jaeger', 16686],
		] as const) {
			const expected = [{ host_ip: '127.0.0.1', published: String(port), target: port }];
			expect(service(observed(), name).ports).toMatchObject(expected);
		}
	});

	it('needs a password for Grafana', () =>
		expect(() => files.whole({ GRAFANA_PASSWORD: '' }, OBSERVABILITY)).toThrow('GRAFANA_PASSWORD'));

	it('mounts what is there, and nothing that a container could change', () => {
		const base = realpathSync(files.folder);
		const mounts = ['prometheus', 'grafana'].flatMap((name) => service(observed(), name).volumes ?? []);
		const bound = mounts.filter(({ type }) => type === 'bind');
		expect(bound).toHaveLength(3);
		for (const { source = '', read_only } of bound) {
			expect([read_only, existsSync(join(ROOT, relative(base, source)))]).toEqual([true, true]);
		}
	});

	it('shows Grafana where its board and its data are', () => {
		const { volumes = [], environment = {} } = service(observed(), 'grafana');
		const targets = volumes.map(({ target }) => target);
		const [provider] = read('ops/grafana/provisioning/dashboards/protected-payment.yml').providers;
		expect(targets).toContain(provider.options.path);
		expect(environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(
			`${provider.options.path}/protected-payment.json`,
		);
		for (const { url } of read('ops/grafana/provisioning/datasources/prometheus.yml').datasources) {
			const { hostname, port } = new URL(url);
			expect(service(observed(), hostname).ports).toMatchObject([{ target: Number(port) }]);
		}
	});
});

describe("Prometheus' configuration", () => {
	it('asks every process of every service', () => {
		const [job] = read('ops/prometheus/prometheus.yml').scrape_configs;
		expect(job).toMatchObject({ job_name: 'protected-payment', dns_sd_configs: [{ type: 'A', port: 5301 }] });
		expect(job.dns_sd_configs[0].names).toEqual([...SERVICE_NAMES]);
	});

	(PROMTOOL ? it : it.skip)(titled('promtool takes it, with its rules', PROMTOOL), () =>
		expect(promtool(['check', 'config', join(ROOT, 'ops/prometheus/prometheus.yml')])).toEqual({
			said: expect.stringContaining('SUCCESS'),
			status: 0,
		}),
	);
});
