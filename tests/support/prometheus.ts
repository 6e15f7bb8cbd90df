/** A real Prometheus that reads the figures of a system, on a port and a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freePort } from '../../bin/brokers/ports.ts';
import { until } from './until.ts';

/** One series of an answer: its labels, and the values of the time that was asked for. */
export interface Series {
	readonly metric: Readonly<Record<string, string>>;
	readonly values: readonly number[];
}

/** What it thinks of a rule. */
export interface RuleHealth {
	readonly name: string;
	readonly health: string;
	readonly lastError?: string;
}

export class Prometheus {
	readonly url: string;
	readonly #folder: string;
	readonly #process: ChildProcess;
	#said = '';

	private constructor(folder: string, port: number) {
		this.#folder = folder;
		this.url = `http://127.0.0.1:${port}`;
		const storage = `--storage.tsdb.path=${join(folder, 'data')}`;
		const listen = `--web.listen-address=127.0.0.1:${port}`;
		this.#process = spawn('prometheus', [`--config.file=${join(folder, 'prometheus.yml')}`, storage, listen], {
			stdio: ['ignore', 'ignore', 'pipe'],
		});
		this.#process.on('error', (error) => {
			this.#said += error.message;
		});
		this.#process.stderr?.on('data', (data) => {
			this.#said += data;
		});
	}

	/** Reads `url` every second, and reckons with these files of rules. */
	static async start(url: string, job: string, rules: readonly string[] = []): Promise<Prometheus> {
		const folder = await mkdtemp(join(tmpdir(), 'protected-payment-prometheus-'));
		const { host, pathname } = new URL(url);
		const scrape = { job_name: job, metrics_path: pathname, static_configs: [{ targets: [host] }] };
		const global = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' };
		const config = { global, rule_files: rules, scrape_configs: [scrape] };
		writeFileSync(join(folder, 'prometheus.yml'), stringify(config));
		const started = new Prometheus(folder, await freePort());
		try {
			await until(async () => (await fetch(`${started.url}/-/ready`)).ok, 'Prometheus is ready');
		} catch (error) {
			await started.stop();
			throw new Error(`Prometheus did not start: ${started.#said}`, { cause: error });
		}
		return started;
	}

	/** Every second from `start` until now; both in milliseconds since 1970. Values that are no number are left out. */
	async range(query: string, start: number): Promise<readonly Series[]> {
		const { result } = await this.#ask<{ result: { metric: Series['metric']; values: [number, string][] }[] }>(
			'query_range',
			{ query, start: String(start / 1_000), end: String(Date.now() / 1_000), step: '1' },
		);
		const series = result.map(({ metric, values }) => ({
			metric,
			values: values.map(([, value]) => Number(value)).filter((value) => !Number.isNaN(value)),
		}));
		return series.filter(({ values }) => values.length > 0);
	}

	async metricNames(): Promise<readonly string[]> {
		return this.#ask('label/__name__/values', {});
	}

	async rules(): Promise<readonly RuleHealth[]> {
		const { groups } = await this.#ask<{ groups: { rules: RuleHealth[] }[] }>('rules', {});
		return groups.flatMap(({ rules }) => rules);
	}

	async stop(): Promise<void> {
		if (this.#process.exitCode === null && this.#process.pid !== undefined) {
			const ended = once(this.#process, 'exit');
			this.#process.kill('SIGTERM');
			await ended;
		}
		rmSync(this.#folder, { recursive: true, force: true });
	}

	async #ask<T>(path: string, params: Readonly<Record<string, string>>): Promise<T> {
		const res = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(params)}`);
		const answer: { data?: T; error?: string } = JSON.parse(await res.text());
		if (answer.data === undefined)
			throw new Error(`Prometheus refuses ${path} ${JSON.stringify(params)}: ${answer.error}`);
		return answer.data;
	}
}
