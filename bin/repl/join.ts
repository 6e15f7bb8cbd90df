/** How a REPL becomes a node of the running system. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ActionHandler, type BrokerOptions, type Middleware, ServiceBroker } from 'moleculer';
import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import { HEARTBEAT, REQUEST_TIMEOUT, transporterOf } from '../../mixins/brokers/index.ts';
import {
	CALL_POLICIES,
	NodeSlot,
	OnceInTime,
	OneDatabase,
	TransporterLink,
	UnixSocketLeaf,
} from '../../mixins/cluster/index.ts';
import { embeddedConnection } from '../../mixins/database/embedded/index.ts';
import { holding, openClient } from '../../mixins/database/index.ts';
import { endedWithin, type Log } from '../../mixins/runtime/index.ts';
import type { BrokerUrl, DatabaseAddress, Settings } from '../../mixins/settings/index.ts';
import { OPERATOR } from '../../services/orders/operator.ts';
import { replCommands } from '../../services/repl/commands.ts';

/** How long what has failed may take to be there after all. */
const PATIENCE: Duration = 10 * SECOND;
/** As long as nothing has failed the machine may only be busy: loading a client alone can take ten seconds then. */
const LONGEST_WAIT: Duration = MINUTE;

function asOperator(next: ActionHandler): ActionHandler {
	return function (ctx) {
		Object.assign(ctx.meta, { caller: OPERATOR });
		return next.call(this, ctx);
	};
}

const AsOperator: Middleware = { name: 'AsOperator', localAction: asOperator, remoteAction: asOperator };

/** What a call meets it tells by itself; a connection that ends beneath the framework's own messages is no news on leaving. */
const QUIET = { TRANSPORTER: 'fatal', TRANSIT: 'fatal' } as const;

const optionsOf = ({ logLevel }: Settings): BrokerOptions => ({
	logger: {
		type: 'Console',
		options: { formatter: 'short', level: { ...QUIET, '**': logLevel === 'fatal' ? 'fatal' : 'warn' } },
	},
	requestTimeout: REQUEST_TIMEOUT,
	...CALL_POLICIES,
	internalServices: false,
	replOptions: { customCommands: replCommands },
	skipProcessEventRegistration: true,
});

/** A broker that is a node of the system of these settings; its stop leaves it. Rejects with one line; `onGone` is called if the system ends while we are in. */
export async function join(
	settings: Settings,
	onGone: () => void,
	middlewares: Middleware[] = [],
): Promise<ServiceBroker> {
	const { broker: url, database, dataDir } = settings;
	const options = { ...optionsOf(settings), middlewares: [new OnceInTime().middleware, AsOperator, ...middlewares] };
	if (url === undefined) return joinAlone(options, dataDir, onGone);
	const address = database.kind === 'url' ? database.address : await embeddedConnection(dataDir);
	return joinLinked(options, url, address);
}

/** Through the socket of the one process that runs on this folder. */
async function joinAlone(options: BrokerOptions, dataDir: string, onGone: () => void): Promise<ServiceBroker> {
	const leaf = new UnixSocketLeaf(dataDir, onGone);
	const broker = new ServiceBroker({
		...options,
		nodeID: `repl-${randomUUID()}`,
		transporter: leaf,
	});
	await leaf.open().catch((error: Error) => {
		throw new Error(`No running system to join (npm start starts one): ${error.message}`);
	});
	await broker.start();
	await discover(broker);
	return broker;
}

/** Over the broker, under a name that nobody else has. */
async function joinLinked(
	options: BrokerOptions & { readonly middlewares: Middleware[] },
	url: BrokerUrl,
	address: DatabaseAddress,
): Promise<ServiceBroker> {
	const said: { database?: string; broker?: string } = {};
	const slotLog = logOf((line) => Object.assign(said, { database: line }));
	const slot = new NodeSlot({ connection: address, name: 'repl', log: slotLog, onLost: () => {} });
	slot.start();
	const database = (): string | undefined => said.database;
	const place = await inTime(slot.taken, database, (why) => `The system's database cannot be used: ${why}`);
	const transporter = await transporterOf(url);
	// Its debug lines are the broker's errors, its warnings only say that it waits.
	const linkLog: Log = { ...logOf(() => {}), debug: (line) => Object.assign(said, { broker: line }) };
	const link = new TransporterLink(transporter, linkLog);
	const only = new OneDatabase({ server: () => slot.server, log: linkLog, onUnwelcome: () => {} });
	const broker = new ServiceBroker({
		...options,
		...HEARTBEAT,
		...place,
		transporter,
		middlewares: [
			...options.middlewares,
			link.middleware,
			only.middleware,
			{ name: 'Place', stopped: () => slot.stop() },
		],
	});
	const failure = (): string | undefined => (said.broker === undefined ? undefined : (link.trouble ?? said.broker));
	await inTime(broker.start(), failure, (why) => `The system cannot be joined: ${why}`);
	await discover(broker, await placesTaken(address));
	return broker;
}

const logOf = (hear: (line: string) => void): Log => ({ debug: hear, info: () => {}, warn: hear, error: hear });

/** How many nodes there are, this one included: each holds its place in a session of its own. */
async function placesTaken(address: DatabaseAddress): Promise<number> {
	const client = await openClient(address, holding('protected-payment-repl'));
	try {
		const { rows } = await client.query<{ count: number }>(`SELECT count(DISTINCT pid)::int AS count
			FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE application_name LIKE 'protected-payment slot %'
			AND datname = current_database() AND locktype = 'advisory' AND granted`);
		return rows[0]?.count ?? 0;
	} finally {
		await client.end();
	}
}

/**
 * Nodes answer one after the other. Waits until all are known, or a call could miss its service; who does not answer in
 * time, because it only starts or has been suspended, is done without.
 */
async function discover(broker: ServiceBroker, nodes = 0): Promise<void> {
	const begin = performance.now();
	const known = (): boolean => broker.registry.getServiceList({ skipInternal: true }).length > 0;
	const isComplete = (): boolean => known() && broker.registry.getNodeList({ onlyAvailable: true }).length >= nodes;
	while (!isComplete()) {
		const waited = performance.now() - begin;
		if (waited > PATIENCE && known()) return;
		if (waited > LONGEST_WAIT) throw new Error('The system does not say what services it has.');
		await sleep(20);
	}
}

/** Rejects with the complaint when `work` is not done in time: soon if `failure` tells of one, else after a while. */
async function inTime<T>(
	work: Promise<T>,
	failure: () => string | undefined,
	complaint: (why: string) => string,
): Promise<T> {
	const begin = performance.now();
	let isDone = await endedWithin(work, PATIENCE);
	while (!isDone && failure() === undefined && performance.now() - begin < LONGEST_WAIT)
		isDone = await endedWithin(work, SECOND / 4);
	if (isDone) return work;
	throw new Error(complaint(failure() ?? 'it does not answer'));
}
