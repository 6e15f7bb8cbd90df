import type { MessageType } from '../../domain/events.ts';
import type { BatchHandler, SubscribeOptions } from '../brokers/index.ts';
import type { TransactionName } from '../runtime/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { type Decide, Inbox } from './inbox.ts';
import { Subscriptions } from './subscriptions.ts';

export interface WithInbox {
	inbox: Inbox;
	subscriptions: Subscriptions;
}

export interface InboxOptions<D extends string> extends SubscribeOptions {
	/** what the group gets */
	readonly takes: readonly MessageType[];
	/** the method that applies each message to its order */
	readonly decide: D;
	/** the name of the `calls` mixin that makes the calls which `decide` returns, once they are committed */
	readonly calls?: string;
}

/** How a message that leads to a call is handled. */
export interface Consuming<C> {
	readonly inbox: Inbox;
	readonly transaction: TransactionName;
	readonly consumer: string;
	/** stores the intent of a call with the order, and returns the call; null if there is none to make */
	readonly decide: Decide<C>;
}

/** What the inbox needs of a service's `calls`. */
interface CallMaker {
	consuming(how: Consuming<unknown>): BatchHandler;
}

/**
 * Consumes messages as a member of `group`, each once for the group: the inbox row, the changed order and what it
 * raises are one transaction. A message that cannot be handled does not harm the others, and becomes a dead letter.
 */
export const inbox = <const D extends string>(
	group: string,
	{ takes, decide, calls, ...options }: InboxOptions<D>,
): Mixin<WithInbox, Record<D, Decide<unknown>>> =>
	defineMixin<WithInbox, Record<string, unknown>>({
		created() {
			const { database, groups, outgoing, tracing } = this.platform;
			groups.declare(group, takes);
			this.inbox ??= new Inbox(database, outgoing, this.logger, tracing);
			this.subscriptions ??= new Subscriptions(this.platform);
			methodOf(this, decide);
		},
		started() {
			const how = {
				inbox: this.inbox,
				transaction: `${group}.handle`,
				consumer: group,
				decide: methodOf(this, decide),
			} as const;
			const handle: BatchHandler =
				calls === undefined
					? async (deliveries, within) =>
							(await this.inbox.handle(how.transaction, group, deliveries, how.decide, within)).failures
					: (this[calls] as CallMaker).consuming(how);
			this.subscriptions.open(group, handle, options);
		},
		async stopped() {
			await this.subscriptions.close();
		},
	});

/** A method by its name, as in Moleculer's own hooks. */
export function methodOf(service: { readonly name: string } & Record<string, unknown>, name: string): Decide<unknown> {
	const method = service[name];
	if (typeof method !== 'function') throw new Error(`the service ${service.name} has no method ${name}`);
	return method as Decide<unknown>;
}
