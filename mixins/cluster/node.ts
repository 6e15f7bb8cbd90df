/** The process as a node: alone, or one of several on a message broker. */
import type { BrokerOptions, Middleware, ServiceBroker } from 'moleculer';
import { SECOND } from '../../domain/time.ts';
import { HEARTBEAT, transporterOf } from '../brokers/index.ts';
import type { SchemaGate } from '../database/index.ts';
import type { Health } from '../observability/index.ts';
import { abortable, type Log } from '../runtime/index.ts';
import type { BrokerUrl, DatabaseAddress, Settings } from '../settings/index.ts';
import { NodeSlot, nodeNameOf } from './node-slot.ts';
import { OnceInTime } from './once-in-time.ts';
import { OneDatabase } from './one-database.ts';
import { TransporterLink } from './transporter-watchdog.ts';
import { UnixSocketHub } from './unix-socket-transporter.ts';

/** What Moleculer has to know of a node. */
export interface Node {
	readonly options: BrokerOptions;
	readonly middlewares: readonly Middleware[];
	/** begins the name of all that the carrier keeps on a broker */
	readonly prefix: string;
}

export interface Surroundings {
	readonly settings: Settings;
	readonly health: Health;
	readonly log: (name: string) => Log;
	readonly made: AsyncDisposableStack;
	readonly signal: AbortSignal | undefined;
	readonly onLost: (why: string) => void;
}

/** A process on its own; REPLs of the same user join it through a socket. */
export function alone({ settings, log }: Surroundings): Node {
	const hub = new UnixSocketHub(settings.dataDir);
	const opening: Middleware = {
		name: 'OpenToRepls',
		started: async (_broker: ServiceBroker) => {
			await hub.open().catch((error: Error) => log('repl').warn(`npm run repl cannot join: ${error.message}`));
		},
	};
	const options = { nodeID: 'protected-payment', transporter: hub };
	return { options, middlewares: [new OnceInTime().middleware, opening], prefix: '' };
}

/** One of several processes, which find each other over the broker. Waits for the database and for a free slot. */
export async function amongOthers(
	{ settings, health, log, made, signal, onLost }: Surroundings,
	url: BrokerUrl,
	{ address, gate }: { readonly address: DatabaseAddress; readonly gate: SchemaGate },
): Promise<Node> {
	const transporter = await transporterOf(url);
	const link = new TransporterLink(transporter, log('link'));
	health.register('transporter', () => link.trouble, 'broker');
	const slot = new NodeSlot({ connection: address, name: nodeNameOf(settings.services), log: log('slot'), onLost });
	made.defer(() => slot.stop());
	health.register('slot', () => slot.trouble);
	const database = new OneDatabase({ server: () => slot.server, log: log('slot'), onUnwelcome: onLost });
	health.register('installation', () => database.trouble);
	await abortable(gate.opened, signal);
	slot.start();
	const place = await abortable(slot.taken, signal);
	return {
		// A leaving node says goodbye before it refuses the calls of others.
		options: { ...HEARTBEAT, ...place, transporter, registry: { stopDelay: SECOND / 2 } },
		middlewares: [new OnceInTime().middleware, link.middleware, database.middleware],
		prefix: place.namespace,
	};
}
