import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage } from '../mixins/runtime/index.ts';
import { kafka } from './brokers/kafka.ts';
import type { BrokerKind, LocalBroker } from './brokers/local-broker.ts';
import { rabbitmq } from './brokers/rabbitmq.ts';
import { redis } from './brokers/redis.ts';

/** The brokers of this machine; RabbitMQ is called by its protocol, as in `BROKER_URL`. */
const KINDS: readonly BrokerKind[] = [rabbitmq, kafka, redis];

const NAMES = KINDS.map(({ scheme }) => scheme).join(' ');
const USAGE = `usage: npm run brokers -- install | up | down [${NAMES}] [--port PORT] [--folder FOLDER]
	all of them unless some are named; --port is for one alone`;

interface Request {
	readonly command: 'install' | 'up' | 'down';
	readonly kinds: readonly BrokerKind[];
	/** undefined for each one's own */
	readonly port: number | undefined;
	readonly folder: string;
}

const say = (line: string): void => {
	process.stdout.write(`${line}\n`);
};

function parse(args: readonly string[]): Request {
	const { positionals, values } = parseArgs({
		args: [...args],
		allowPositionals: true,
		options: {
			port: { type: 'string' },
			folder: { type: 'string', default: join(import.meta.dirname, '../.brokers') },
		},
	});
	const [command, ...names] = positionals;
	if (command !== 'install' && command !== 'up' && command !== 'down') throw new Error(USAGE);
	const unknown = names.find((name) => KINDS.every(({ scheme }) => scheme !== name));
	if (unknown !== undefined) throw new Error(`no such broker: ${unknown}\n${USAGE}`);
	const kinds = KINDS.filter(({ scheme }) => names.length === 0 || names.includes(scheme));
	const port = values.port === undefined ? undefined : Number(values.port);
	if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65_535 || kinds.length !== 1))
		throw new Error(`--port takes one port, for one broker\n${USAGE}`);
	return { command, kinds, port, folder: values.folder };
}

async function run({ command, port, folder }: Request, kind: BrokerKind): Promise<void> {
	const { scheme, defaultPort } = kind;
	if (command === 'install') {
		await kind.install();
		say(`${scheme} is installed`);
		return;
	}
	const broker: LocalBroker = kind.local({ folder: join(folder, scheme), port: port ?? defaultPort });
	if (command === 'down') {
		await broker.down();
		say(`${scheme} is down`);
		return;
	}
	if (!(await kind.installed())) throw new Error(`not installed: npm run brokers -- install ${scheme}`);
	await broker.up();
	say(`BROKER_URL=${broker.url}`);
}

try {
	const request = parse(process.argv.slice(2));
	// One that fails does not keep the others back.
	for (const kind of request.kinds) {
		try {
			await run(request, kind);
		} catch (error) {
			process.stderr.write(`${kind.scheme}: ${errorMessage(error)}\n`);
			process.exitCode = 1;
		}
	}
} catch (error) {
	process.stderr.write(`${errorMessage(error)}\n`);
	process.exitCode = 1;
}
