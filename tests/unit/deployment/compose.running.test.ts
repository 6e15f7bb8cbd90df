import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { SERVICE_NAMES } from '../../../mixins/settings/settings.ts';
import { BROKERS, describeCompose, type Service, service } from '../../compose/project.ts';
import { ROOT } from '../../support/process.ts';

const { version, scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** Seconds of a duration such as `1m0s`. */
const seconds = (duration = ''): number => {
	const { minutes = 0, rest = 0 } = /^(?:(?<minutes>\d+)m)?(?:(?<rest>\d+)s)?$/.exec(duration)?.groups ?? {};
	return Number(minutes) * 60 + Number(rest);
};

const limits = ({ deploy }: Service) => deploy?.resources?.limits;

const kept = ({ volumes = [] }: Service): string[] =>
	volumes.map(({ type, source, target }) => `${type} ${source} ${target}`);

describeCompose('what the Compose files run', (files) => {
	/** The services, of whatever way to start, that are not as they should be. */
	const exceptions = (isRight: (service: Service) => boolean): string[] =>
		files
			.everywhere()
			.filter(([, found]) => !isRight(found))
			.map(([name]) => name);
	const butTheJob = (names: readonly string[]): string[] => names.filter((name) => !name.endsWith(': migrate'));

	it('has its image pinned to a version', () =>
		expect(exceptions(({ image }) => /^[\w./-]+:v?\d+\.\d+(?:\.\d+)?(?:-[\w.-]+)?$/.test(image))).toEqual([]));

	it('is of one image where it is our own, which a registry is never asked for', () => {
		const { services } = files.whole();
		for (const name of ['migrate', ...SERVICE_NAMES]) {
			const { image, pull_policy } = service(files.whole(), name);
			expect([name, image, pull_policy]).toEqual([name, `protected-payment:${version}`, 'never']);
		}
		// Two that made it would make two images under one name, and the next `up` would start every service anew.
		const makers = Object.entries(services).filter(([, { build }]) => build !== undefined);
		expect(makers.map(([name]) => name)).toEqual(['migrate']);
	});

	it('runs the same commands as npm', () => {
		const { services } = files.whole();
		const plain = scripts.migrate.replace('--import ./bin/runtime.mjs ', ''); // the image's own Node need not be looked at
		expect(services.migrate?.command?.join(' ')).toBe(`${plain} up`);
		for (const name of SERVICE_NAMES) expect(services[name]?.command ?? null).toBeNull(); // the image's own
	});

	it('has its health checked, all but the job', () => {
		expect(butTheJob(exceptions(({ healthcheck }) => (healthcheck?.test?.length ?? 0) > 1))).toEqual([]);
		for (const name of SERVICE_NAMES) {
			expect(service(files.whole(), name).healthcheck?.test).toEqual(['CMD', 'node', 'bin/ready.ts']);
		}
	});

	it('starts in the order of health', () => {
		const healthy = { condition: 'service_healthy' };
		const done = { condition: 'service_completed_successfully' };
		for (const broker of BROKERS) {
			const { services } = files.whole({ BROKER: broker });
			expect(services.migrate?.depends_on).toMatchObject({ postgres: healthy });
			expect(services.gateway?.depends_on).toMatchObject({ orders: healthy });
			for (const name of SERVICE_NAMES) {
				expect(services[name]?.depends_on).toMatchObject({ postgres: healthy, migrate: done, broker: healthy });
			}
		}
	});

	it('is started again, the job only if it failed', () => {
		expect(butTheJob(exceptions(({ restart }) => restart === 'unless-stopped'))).toEqual([]);
		expect(service(files.whole(), 'migrate').restart).toBe('on-failure:3');
	});

	it('has the time that it needs to end', () => {
		expect(exceptions(({ stop_grace_period }) => seconds(stop_grace_period) > 10)).toEqual([]);
		const longestDelay = 60;
		for (const name of SERVICE_NAMES)
			expect(seconds(service(files.whole(), name).stop_grace_period)).toBeGreaterThan(longestDelay + 10);
	});

	it('is not root, and has no more rights than any user', () => {
		expect(exceptions(({ user = 'root' }) => !/^(?:root|0)(?::|$)/.test(user))).toEqual([]);
		expect(exceptions(({ cap_drop }) => String(cap_drop) === 'ALL')).toEqual([]);
		expect(exceptions(({ security_opt }) => String(security_opt) === 'no-new-privileges:true')).toEqual([]);
		expect(exceptions(({ cap_add, privileged }) => cap_add === undefined && privileged === undefined)).toEqual([]);
	});

	it('cannot write to its root file system; only Kafka has to', () =>
		expect(exceptions(({ read_only }) => read_only === true)).toEqual([
			'all with kafka: broker',
			'kafka alone: broker',
		]));

	it('is limited in memory, processes and logs', () => {
		expect(exceptions((found) => Number(limits(found)?.memory) >= 256 * 2 ** 20)).toEqual([]);
		expect(exceptions((found) => Number(limits(found)?.pids) > 0)).toEqual([]);
		expect(exceptions(({ logging }) => logging?.options?.['max-size'] !== undefined)).toEqual([]);
	});

	it('can be scaled, all services but the gateway', () => {
		for (const name of SERVICE_NAMES.filter((other) => other !== 'gateway')) {
			const { container_name, hostname, ports } = service(files.whole(), name);
			expect([name, container_name, hostname, ports]).toEqual([name, undefined, undefined, undefined]);
		}
	});

	it('keeps its data in volumes with names', () => {
		// Since 18, a volume on the folder `data` below it would stay empty.
		expect(kept(service(files.whole(), 'postgres'))).toEqual(['volume postgres-data /var/lib/postgresql']);
		expect(kept(service(files.alone('rabbitmq'), 'broker'))).toEqual(['volume rabbitmq-data /var/lib/rabbitmq']);
		expect(kept(service(files.alone('kafka'), 'broker'))).toEqual(['volume kafka-data /var/lib/kafka/data']);
		expect(kept(service(files.alone('redis'), 'broker'))).toEqual(['volume redis-data /data']);
	});

	it('uses shells that find no mistake in what they are given', () => {
		const scriptsOf = ({ command, healthcheck }: Service): (string | undefined)[] => [
			...(command?.[0] === 'sh' ? [command[2]] : []),
			...(healthcheck?.test?.[0] === 'CMD-SHELL' ? [healthcheck.test[1]] : []),
		];
		const given = new Set(files.everywhere().flatMap(([, found]) => scriptsOf(found)));
		expect(given.size).toBe(3);
		for (const script of given) {
			const { status, stderr } = spawnSync('sh', ['-n'], { input: script?.replaceAll('$$', '$'), encoding: 'utf8' });
			expect([script, status, stderr]).toEqual([script, 0, '']);
		}
	});
});
