import type { Caller } from '../../orders/caller.ts';
import { type EntryDto, seenBy } from '../../orders/changes/entry.ts';
import { type Place, Position } from '../../orders/changes/position.ts';
import { linked } from '../../orders/payment-links.ts';
import { encodeResult } from '../http/answer.ts';
import { eventText } from './format.ts';

/** Who listens, and where they see the gateway. Those who are the same are shown the same. */
export interface Viewer {
	readonly caller: Caller;
	readonly gatewayUrl: string;
	readonly key: string;
}

export function viewerOf(caller: Caller, gatewayUrl: string): Viewer {
	return { caller, gatewayUrl, key: JSON.stringify([caller.subject, caller.scopes, gatewayUrl]) };
}

/** An entry of a history, on its way to all that listen here. */
export class Entry {
	readonly #dto: EntryDto;
	readonly position: Position;

	constructor(dto: EntryDto) {
		const position = Position.parse(dto.id);
		if (position === undefined) throw new Error('an entry has no position');
		this.#dto = dto;
		this.position = position;
	}

	/** The event; undefined if the viewer may not see it. `ahead`: what was told already, where that may be more than others know. */
	textFor(viewer: Viewer, ahead: Position | undefined): string | undefined {
		const order = seenBy(viewer.caller, this.#dto);
		if (order === undefined || (ahead !== undefined && this.isToldAt(ahead))) return undefined;
		const id = ahead === undefined ? this.#dto.id : ahead.with(this.position).toString();
		return eventText('order', id, encodeResult('orders.get', linked(order, viewer.gatewayUrl)));
	}

	isToldAt(position: Position): boolean {
		return position.hasTold(this.#place);
	}

	/** Of the transactions that are told in part, its own is the last. */
	get #place(): Place {
		const [xact, told] = [...this.position.begun].at(-1) ?? [Number.NaN, 0];
		return { xact, index: told - 1 };
	}
}
