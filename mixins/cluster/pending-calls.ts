/** Corrections to how Moleculer (0.15.2, `transit.js`) keeps calls until their answers come. */
import type { Context, ServiceBroker, Transit } from 'moleculer';
import { REQUEST_TIMEOUT } from '../brokers/index.ts';
import { isRead } from './call-policies.ts';

interface Gone {
	readonly node: { readonly id: string };
	readonly unexpected: boolean;
}

/**
 * A node that has not been heard for a while is not gone: it may have the call, or get it when the broker wakes. Moleculer
 * would tell the caller at once that it failed. Reads may be told so; every other call keeps its time for its answer.
 */
export function keepUnanswered({ localBus, transit }: ServiceBroker): void {
	if (transit === undefined) return;
	let silent: string | undefined;
	localBus.on('$node.disconnected', ({ node, unexpected }: Gone) => {
		silent = unexpected ? node.id : undefined;
	});
	const remove = transit.removePendingRequestByNodeID.bind(transit);
	transit.removePendingRequestByNodeID = (nodeID) => {
		const { pendingRequests } = transit;
		const isKept = silent === nodeID;
		silent = undefined;
		const kept = [...pendingRequests].filter(
			([, call]) => isKept && call.nodeID === nodeID && !isRead(call.ctx.action),
		);
		for (const [id] of kept) pendingRequests.delete(id);
		remove(nodeID);
		for (const [id, call] of kept) pendingRequests.set(id, call);
	};
}

/** Moleculer keeps a call whose time is over for as long as its node is there. */
export function dropExpired(transit: Transit): void {
	for (const [id, { ctx }] of transit.pendingRequests) if (isOver(ctx)) transit.removePendingRequest(id);
}

function isOver({ startHrTime, options }: Context): boolean {
	if (!startHrTime) return false;
	return process.hrtime(startHrTime)[0] * 1e3 > (options.timeout ?? REQUEST_TIMEOUT) + 1e3;
}
