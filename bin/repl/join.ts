/** How a REPL becomes a node of the running system. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ActionHandler, type BrokerOptions, type Middleware, ServiceBroker } from 'moleculer';
import type pg from 'pg';
import { type Duration, SECOND } from '../../domain/time.ts';
import type { BrokerUrl } from '../../mixins/brokers/broker-url.ts';
import { embeddedConnection } from '../../mixins/database/embedded-postgres.ts';
import { NodeSlot } from '../../mixins/database/node-slot.ts';
import type { Log } from '../../mixins/loop.ts';
import type { Settings } from '../../mixins/settings.ts';
import { TransporterLink } from '../../mixins/transporters/link.ts';
import { HEARTBEAT, REQUEST_TIMEOUT } from '../../mixins/transporters/options.ts';
import { transporterOf } from '../../mixins/transporters/transporter.ts';
import { UnixSocketLeaf } from '../../mixins/unix-socket-transporter.ts';
import { ADMIN_SCOPE, type Caller } from '../../services/orders/caller.ts';

/** How long the database, the broker, and then the system may take to answer. */
const PATIENCE: Duration = 10 * SECOND;

const OPERATOR: Caller = { subject: 'operator', scopes: [ADMIN_SCOPE] };

function asOperator(next: ActionHandler): ActionHandler {
	return function (ctx) {
		Object.assign(ctx.meta, { caller: OPERATOR });
		return next.call(this, ctx);
	};
}

const AsOperator: Middleware = { name: 'AsOperator', localAction: asOperator, remoteAction: asOperator };

const optionsOf = ({ logLevel }: Settings): BrokerOptions => ({
	logger: {
		type: 'Console',
		options: { formatter: 'short', level: { TRANSPORTER: 'fatal', '**': logLevel === 'fatal' ? 'fatal' : 'warn' } },
	},
	requestTimeout: REQUEST_TIMEOUT,
	retryPolicy: { enabled: false },
	internalServices: false,
	skipProcessEventRegistration: true,
});

/** A node among the others, and the way out. */
export interface Membership {
	readonly broker: ServiceBroker;
	leave(): Promise<void>;
}

/** Joins the system of these settings. Rejects with one line; `onGone` is called if the system ends while we are in. */
export async function join(settings: Settings, onGone: () => void): Promise<Membership> {
	const { broker: url, database, dataDir } = settings;
	const options = optionsOf(settings);
	if (url === undefined) return joinAlone(options, dataDir, onGone);
	const connection = database.kind === 'url' ? { connectionString: database.url } : await embeddedConnection(dataDir);
	return joinLinked(options, url, connection);
}

/** Through the socket of the one process that runs on this folder. */
async function joinAlone(options: BrokerOptions, dataDir: string, onGone: () => void): Promise<Membership> {
	const leaf = new UnixSocketLeaf(dataDir, onGone);
	const broker = new ServiceBroker({
		...options,
		nodeID: `repl-${randomUUID()}`,
		transporter: leaf,
		middlewares: [AsOperator],
	});
	await leaf.open().catch((error: Error) => {
		throw new Error(`No running system to join (npm start starts one): ${error.message}`);
	});
	await broker.start();
	await discover(broker);
	return { broker, leave: () => broker.stop() };
}

/** Over the broker, under a name that nobody else has. */
async function joinLinked(options: BrokerOptions, url: BrokerUrl, connection: pg.ClientConfig): Promise<Membership> {
	let said = 'it does not answer';
	const hear = (line: string): void => {
		said = line;
	};
	const log: Log = { debug: hear, info: () => {}, warn: hear, error: hear };
	const slot = new NodeSlot({ connection, name: 'repl', log, onLost: () => {} });
	slot.start();
	const place = await inTime(slot.taken, () => `The system's database cannot be used: ${said}`);
	const transporter = await transporterOf(url);
	const link = new TransporterLink(transporter, log);
	const broker = new ServiceBroker({
		...options,
		...HEARTBEAT,
		...place,
		transporter,
		middlewares: [AsOperator, link.middleware],
	});
	await inTime(broker.start(), () => `The system cannot be joined: ${link.trouble ?? said}`);
	await discover(broker);
	return {
		broker,
		leave: async () => {
			await broker.stop();
			await slot.stop();
		},
	};
}

async function discover(broker: ServiceBroker): Promise<void> {
	const deadline = performance.now() + PATIENCE;
	while (broker.registry.getServiceList({ skipInternal: true }).length === 0) {
		if (performance.now() > deadline) throw new Error('The system does not say what services it has.');
		await sleep(20);
	}
}

async function inTime<T>(work: Promise<T>, complaint: () => string): Promise<T> {
	const late = new AbortController();
	const tooLate = sleep(PATIENCE, undefined, { signal: late.signal }).then(() => {
		throw new Error(complaint());
	});
	try {
		return await Promise.race([work, tooLate]);
	} finally {
		tooLate.catch(() => {});
		late.abort();
	}
}
