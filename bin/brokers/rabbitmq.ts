/** A real RabbitMQ in a folder of its own, on ports of its own, started without the system's service manager. */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { SECOND } from '../../domain/time.ts';
import { installDebianPackages } from './debian.ts';
import type { BrokerKind, LocalBrokerOptions } from './local-broker.ts';
import { type Launch, LocalProcess, until } from './local-process.ts';
import { HOST, isFree } from './ports.ts';

/** The wrapper in `/usr/sbin` would change to the user `rabbitmq`; these programs run as whoever calls them. */
const PROGRAMS = '/usr/lib/rabbitmq/bin';
const EPMD = '/usr/bin/epmd';
/** Unique on its own epmd, which no other instance uses. */
const NODE = 'broker@localhost';

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

export interface LocalRabbitMqOptions extends LocalBrokerOptions {
	/** further lines of its `rabbitmq.conf` */
	readonly configuration?: string;
}

export class LocalRabbitMq extends LocalProcess {
	readonly url: string;
	readonly #configuration: string;

	constructor({ configuration = '', ...options }: LocalRabbitMqOptions) {
		super('RabbitMQ', options, ['distribution', 'epmd']);
		this.#configuration = `${CONFIGURATION}${configuration}\n`;
		this.url = `amqp://guest:guest@${HOST}:${options.port}`;
	}

	protected override async prepare(): Promise<Launch> {
		await writeFile(join(this.folder, 'rabbitmq.conf'), this.#configuration);
		await writeFile(join(this.folder, 'enabled_plugins'), '[].\n');
		// Without a supervisor the script stays in between, and the process that we know were not the node.
		const env = { ...(await this.environment()), RUNNING_UNDER_SYSTEMD: 'true' };
		return { program: join(PROGRAMS, 'rabbitmq-server'), args: [], env };
	}

	/** Whether a client can log in. */
	protected override async isReady(): Promise<boolean> {
		try {
			const connection = await connect(this.url, { timeout: 5 * SECOND });
			await connection.close();
			return true;
		} catch {
			return false;
		}
	}

	/** The port mapper puts itself into the background and outlives the node. */
	protected override async cleanUp(): Promise<void> {
		const { epmd = 0 } = await this.ports();
		await until(async () => {
			if (await isFree(epmd)) return true;
			await new Promise((ended) => {
				const child = spawn(EPMD, ['-kill'], { env: { ERL_EPMD_PORT: String(epmd) }, stdio: 'ignore' });
				child.once('close', ended).once('error', ended);
			});
			return isFree(epmd); // not before it has noticed that the node is gone
		}, 3 * SECOND);
	}

	/** What its programs need to find the node: `rabbitmqctl`, `erl_call` and the node itself. */
	async environment(): Promise<Readonly<Record<string, string>>> {
		const { distribution, epmd } = await this.ports();
		const inFolder = (name: string): string => join(this.folder, name);
		return {
			PATH: process.env.PATH ?? '/usr/bin:/bin',
			LANG: 'C.UTF-8',
			HOME: this.folder,
			RABBITMQ_NODENAME: NODE,
			RABBITMQ_NODE_IP_ADDRESS: HOST,
			RABBITMQ_NODE_PORT: String(this.port),
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
		const cookie = (await readFile(join(this.folder, '.erlang.cookie'), 'utf8')).trim();
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
}
