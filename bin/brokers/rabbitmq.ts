/** A real RabbitMQ in a folder of its own, on ports of its own, started without the system's service manager. */
import { spawn } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { access, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'amqplib';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import { installDebianPackages } from './debian.ts';
import type { BrokerKind, LocalBroker, LocalBrokerOptions } from './local-broker.ts';
import { freePort, HOST, isFree } from './ports.ts';
import { familyOf, isAlive, signalTo, worksIn } from './processes.ts';

/** The wrapper in `/usr/sbin` would change to the user `rabbitmq`; these programs run as whoever calls them. */
const PROGRAMS = '/usr/lib/rabbitmq/bin';
const EPMD = '/usr/bin/epmd';
/** Unique on its own epmd, which no other instance uses. */
const NODE = 'broker@localhost';

const LONGEST_START: Duration = 2 * MINUTE;
const LONGEST_STOP: Duration = MINUTE;
const POLL: Duration = 50;

/** Printed after what an expression printed. */
const EVALUATED = '=evaluated=';

/** Smaller than the defaults, which are meant for a machine that does nothing else. */
const CONFIGURATION = `
loopback_users.guest = true
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
log.file.level = info
`;

export const rabbitmq: BrokerKind = {
	scheme: 'amqp',
	defaultPort: 5672,
	installed: () =>
		access(join(PROGRAMS, 'rabbitmq-server'), constants.X_OK).then(
			() => true,
			() => false,
		),
	install: async () => {
		if (!(await rabbitmq.installed())) await installDebianPackages('rabbitmq-server');
	},
	local: (options) => new LocalRabbitMq(options),
};

/**
 * A message whose time is up just after a restart may go to a queue that is not back yet. Without this the broker waits
 * three minutes for that queue's confirm before it sends the message again.
 */
const IMPATIENT = '-rabbit dead_letter_worker_publisher_confirm_timeout 10000';

/** Ports beside the one that clients use; kept in the folder, so that a later start and the tools find them. */
interface Ports {
	readonly distribution: number;
	readonly epmd: number;
}

export interface LocalRabbitMqOptions extends LocalBrokerOptions {
	/** further lines of its `rabbitmq.conf` */
	readonly configuration?: string;
}

export class LocalRabbitMq implements LocalBroker {
	readonly url: string;
	readonly #folder: string;
	readonly #port: number;
	readonly #configuration: string;

	constructor({ folder, port, configuration = '' }: LocalRabbitMqOptions) {
		this.#folder = resolve(folder);
		this.#port = port;
		this.#configuration = `${CONFIGURATION}${configuration}\n`;
		this.url = `amqp://guest:guest@${HOST}:${port}`;
	}

	async up(): Promise<void> {
		if ((await this.#pid()) === undefined) await this.#start();
		await this.#untilAnswers();
	}

	async down(): Promise<void> {
		const pid = await this.#pid();
		if (pid !== undefined) {
			const family = familyOf(pid);
			signalTo(pid, 'SIGTERM');
			if (!(await gone([pid], LONGEST_STOP))) {
				throw new Error(
					`RabbitMQ (process ${pid}) did not stop within ${LONGEST_STOP / SECOND} s; ${this.#whereToLook()}`,
				);
			}
			await gone(family, SECOND);
			for (const child of family) signalTo(child, 'SIGKILL');
		}
		await this.#stopEpmd();
	}

	async kill(): Promise<void> {
		const pid = await this.#pid();
		if (pid !== undefined) {
			const family = [pid, ...familyOf(pid)];
			for (const member of family) signalTo(member, 'SIGKILL');
			if (!(await gone(family, LONGEST_STOP))) throw new Error(`RabbitMQ (process ${pid}) does not go`);
		}
		await this.#stopEpmd();
	}

	async wipe(): Promise<void> {
		if ((await this.#pid()) !== undefined) throw new Error(`RabbitMQ in ${this.#folder} runs: its data stays`);
		await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
	}

	/** What its programs need to find the node: `rabbitmqctl`, `erl_call` and the node itself. */
	async environment(): Promise<Readonly<Record<string, string>>> {
		const { distribution, epmd } = await this.#ports();
		const inFolder = (name: string): string => join(this.#folder, name);
		return {
			PATH: process.env.PATH ?? '/usr/bin:/bin',
			LANG: 'C.UTF-8',
			HOME: this.#folder,
			RABBITMQ_NODENAME: NODE,
			RABBITMQ_NODE_IP_ADDRESS: HOST,
			RABBITMQ_NODE_PORT: String(this.#port),
			RABBITMQ_DIST_PORT: String(distribution),
			ERL_EPMD_ADDRESS: HOST,
			ERL_EPMD_PORT: String(epmd),
			RABBITMQ_MNESIA_BASE: inFolder('data'),
			RABBITMQ_LOG_BASE: inFolder('log'),
			RABBITMQ_LOGS: inFolder('log/rabbitmq.log'),
			RABBITMQ_ENABLED_PLUGINS_FILE: inFolder('enabled_plugins'),
			RABBITMQ_CONFIG_FILE: inFolder('rabbitmq.conf'),
			RABBITMQ_CONF_ENV_FILE: inFolder('no-rabbitmq-env.conf'),
			RABBITMQ_PID_FILE: inFolder('rabbitmq.pid'), // not ours: while the node writes it, it is empty
			RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-kernel inet_dist_use_interface {127,0,0,1} ${IMPATIENT}`,
		};
	}

	/** Evaluates Erlang expressions, without the dot at the end, on the node and answers the lines that it printed; for tests and tools. */
	async evaluate(expression: string): Promise<string> {
		const cookie = (await readFile(join(this.#folder, '.erlang.cookie'), 'utf8')).trim();
		const args = ['-r', '-sname', NODE, '-c', cookie, '-fetch_stdout', '-e'];
		const child = spawn('/usr/bin/erl_call', args, { env: await this.environment(), stdio: ['pipe', 'pipe', 'pipe'] });
		const output: Buffer[] = [];
		const errors: Buffer[] = [];
		child.stdout.on('data', (data: Buffer) => output.push(data));
		child.stderr.on('data', (data: Buffer) => errors.push(data));
		child.stdin.end(`${expression}, io:format("${EVALUATED}~n").\n`);
		const code = await new Promise((done, reject) => {
			child.once('error', reject);
			child.once('close', done);
		});
		const text = Buffer.concat(output).toString();
		// An exception in the expression is no failure of the program that sends it.
		if (code !== 0 || !text.includes(EVALUATED)) throw new Error(`not evaluated: ${text}${Buffer.concat(errors)}`);
		return text.slice(0, text.lastIndexOf(EVALUATED));
	}

	async #start(): Promise<void> {
		if (!(await isFree(this.#port))) throw new Error(`port ${this.#port} on ${HOST} is taken by another program`);
		const { distribution, epmd } = await this.#ports();
		if (!(await isFree(distribution)) || !(await isFree(epmd))) await this.#choosePorts(); // taken while it was down
		await mkdir(join(this.#folder, 'log'), { recursive: true });
		await rm(join(this.#folder, 'pid'), { force: true });
		await writeFile(join(this.#folder, 'rabbitmq.conf'), this.#configuration);
		await writeFile(join(this.#folder, 'enabled_plugins'), '[].\n');
		const env = await this.environment();
		const log = openSync(join(this.#folder, 'log/start.log'), 'a');
		// A session of its own: whoever starts it may end, and ctrl-C in a terminal is not for the broker.
		const child = spawn(join(PROGRAMS, 'rabbitmq-server'), [], {
			// Without a supervisor the script stays in between, and the process that we know were not the node.
			env: { ...env, RUNNING_UNDER_SYSTEMD: 'true' },
			cwd: this.#folder,
			detached: true,
			stdio: ['ignore', log, log],
		});
		await new Promise((started, failed) => {
			child.once('spawn', started);
			child.once('error', failed);
		});
		child.unref();
		if (child.pid !== undefined) await writeFile(join(this.#folder, 'pid'), `${child.pid}\n`);
	}

	/** Waits until a client can log in. */
	async #untilAnswers(): Promise<void> {
		const deadline = performance.now() + LONGEST_START;
		for (;;) {
			try {
				const connection = await connect(this.url, { timeout: 5 * SECOND });
				await connection.close();
				return;
			} catch (error) {
				if ((await this.#pid()) === undefined)
					throw new Error(`RabbitMQ ended while it started; ${this.#whereToLook()}`);
				if (performance.now() > deadline) {
					throw new Error(`RabbitMQ does not answer on ${HOST}:${this.#port}; ${this.#whereToLook()}`, {
						cause: error,
					});
				}
				await pause(POLL);
			}
		}
	}

	/** The node of this folder, if it runs. */
	async #pid(): Promise<number | undefined> {
		const pid = Number.parseInt(await readFile(join(this.#folder, 'pid'), 'utf8').catch(() => ''), 10);
		return pid > 0 && isAlive(pid) && worksIn(pid, await realpath(this.#folder)) ? pid : undefined;
	}

	/** The port mapper puts itself into the background and outlives the node. */
	async #stopEpmd(): Promise<void> {
		const { epmd } = await this.#ports();
		for (let tries = 0; tries < 50 && !(await isFree(epmd)); tries += 1) {
			await new Promise((ended) => {
				const child = spawn(EPMD, ['-kill'], { env: { ERL_EPMD_PORT: String(epmd) }, stdio: 'ignore' });
				child.once('close', ended).once('error', ended);
			});
			if (await isFree(epmd)) return;
			await pause(POLL); // it has not noticed yet that the node is gone
		}
	}

	async #ports(): Promise<Ports> {
		const known = await readFile(join(this.#folder, 'ports.json'), 'utf8').catch(() => undefined);
		return known === undefined ? this.#choosePorts() : JSON.parse(known);
	}

	async #choosePorts(): Promise<Ports> {
		const ports: Ports = { distribution: await freePort(), epmd: await freePort() };
		await mkdir(this.#folder, { recursive: true });
		await writeFile(join(this.#folder, 'ports.json'), JSON.stringify(ports));
		return ports;
	}

	#whereToLook(): string {
		return `see ${join(this.#folder, 'log')}`;
	}
}

/** Whether all these processes ended within `patience`. */
async function gone(pids: readonly number[], patience: Duration): Promise<boolean> {
	const deadline = performance.now() + patience;
	while (pids.some(isAlive)) {
		if (performance.now() > deadline) return false;
		await pause(POLL);
	}
	return true;
}
