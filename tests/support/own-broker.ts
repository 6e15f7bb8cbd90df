import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalBroker, LocalBrokerOptions } from '../../bin/brokers/local-broker.ts';
import { freePort } from '../../bin/brokers/ports.ts';

/** A broker of a test's own, on a folder below the temporary one; not up yet. */
export type OwnBroker<B extends LocalBroker = LocalBroker> = B & {
	/** Ends it and removes its folder. */
	dispose(): Promise<void>;
};

/** On a free port unless one is given. */
export async function ownBroker<B extends LocalBroker>(
	make: (options: LocalBrokerOptions) => B | Promise<B>,
	port?: number,
): Promise<OwnBroker<B>> {
	const folder = await mkdtemp(join(tmpdir(), 'pp-broker-'));
	const broker = await make({ folder, port: port ?? (await freePort()) });
	const dispose = async (): Promise<void> => {
		await broker.kill();
		await rm(folder, { recursive: true, force: true });
	};
	return Object.assign(broker, { dispose });
}
