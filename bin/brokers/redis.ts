import { spawnSync } from 'node:child_process';
import { Redis } from 'ioredis';
import { type Duration, SECOND } from '../../domain/time.ts';
import { installDebianPackages } from './debian.ts';
import type { BrokerKind, LocalBrokerOptions } from './local-broker.ts';
import { type Launch, LocalProcess } from './local-process.ts';
import { HOST } from './ports.ts';

const ANSWER_PATIENCE: Duration = 2 * SECOND;

/** Every write is on the disk before it is answered, and nothing is ever evicted. */
const DURABLE: Readonly<Record<string, string>> = {
	appendonly: 'yes',
	appendfsync: 'always',
	save: '',
	'maxmemory-policy': 'noeviction',
};

export const redis: BrokerKind = {
	scheme: 'redis',
	defaultPort: 6379,
	installed: async () => spawnSync('redis-server', ['--version']).status === 0,
	install: async () => {
		if (!(await redis.installed())) await installDebianPackages('redis-server');
	},
	local: (options) => new LocalRedis(options),
};

/** Debian's redis-server. */
export class LocalRedis extends LocalProcess {
	readonly url: string;
	readonly #settings: Readonly<Record<string, string>>;

	/** `settings` are Redis's own (`redis.conf`), beside the durable ones or in their place. */
	constructor(options: LocalBrokerOptions, settings: Readonly<Record<string, string>> = {}) {
		super('Redis', options);
		this.url = `redis://${HOST}:${options.port}`;
		this.#settings = { ...DURABLE, ...settings };
	}

	protected override async prepare(): Promise<Launch> {
		const own = { port: String(this.port), bind: HOST, dir: '.', ...this.#settings };
		return { program: 'redis-server', args: Object.entries(own).flatMap(([name, value]) => [`--${name}`, value]) };
	}

	/** Whether it has read its data, and is this process and no other. */
	protected override async isReady(pid: number): Promise<boolean> {
		const client = new Redis(this.port, HOST, {
			lazyConnect: true,
			retryStrategy: () => null,
			enableReadyCheck: false,
			connectTimeout: ANSWER_PATIENCE,
			commandTimeout: ANSWER_PATIENCE,
			...(this.#settings.requirepass === undefined ? {} : { password: this.#settings.requirepass }),
		});
		client.on('error', () => {});
		try {
			await client.connect();
			const info = await client.info();
			return info.includes('loading:0') && new RegExp(`process_id:${pid}\\b`).test(info);
		} catch {
			return false;
		} finally {
			if (client.status !== 'end') client.disconnect(); // else ioredis would wait for two seconds more
		}
	}
}
