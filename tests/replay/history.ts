import type { Observed } from './observe.ts';
import type { State } from './trace.ts';

const BY_STATUS: Readonly<Record<string, string>> = {
	OnHold: 'OrderHeld',
	CancelRequested: 'OrderCancelRequested',
	Cancelled: 'OrderCancelled',
	Confirmed: 'OrderConfirmed',
	Shipped: 'OrderShipped',
};

const BY_PAYMENT: Readonly<Record<string, string>> = {
	Authorized: 'PaymentAuthorized',
	Declined: 'PaymentDeclined',
	Captured: 'PaymentCaptured',
	Voided: 'PaymentVoided',
	Failed: 'PaymentFailed',
};

function eventOfStatus(was: string, is: string): string[] {
	if (is === 'Pending') return [was === 'none' ? 'OrderPending' : 'OrderResumed'];
	return BY_STATUS[is] === undefined ? [] : [BY_STATUS[is]];
}

/** The events that the orders must have raised, group by group: what one transaction raises has no order in the model. */
export class Expected {
	readonly #groups: string[][][] = [];

	/** From one state of the model to the next. */
	step(before: State, after: State): void {
		for (const [index, ord] of after.ord.entries()) {
			const [was, paid, pay] = [before.ord[index]?.st ?? 'none', before.pay[index]?.st, after.pay[index]?.st ?? ''];
			const ofPayment = pay === paid || BY_PAYMENT[pay] === undefined ? [] : [BY_PAYMENT[pay]];
			const events = [...ofPayment, ...(ord.st === was ? [] : eventOfStatus(was, ord.st))];
			const groups = this.#groups[index] ?? [];
			this.#groups[index] = groups;
			if (events.length > 0) groups.push(events);
		}
	}

	/** What differs: the events, or their numbers. */
	compare({ events, orders }: Observed, ids: readonly string[]): string[] {
		return ids.flatMap((id, index) => {
			const stored = events.filter(({ order_id }) => order_id === id);
			const types = stored.map(({ type }) => type);
			const groups = this.#groups[index] ?? [];
			const asGrouped = regrouped(types, groups);
			const at = groups.flat().length;
			const tell = (all: readonly (readonly string[])[]): string =>
				all.map((group) => [...group].sort().join('+')).join(', ');
			const sequence = orders.find((order) => order.id === id)?.sequence;
			const numbered = stored.every((event, place) => event.sequence === place + 1) && sequence === stored.length;
			return [
				...(tell(groups) === tell(asGrouped) && at === types.length
					? []
					: [`order ${index + 1}, its history: ${tell(groups)} in the model, ${types.join(', ')} in the code`]),
				...(numbered
					? []
					: [`order ${index + 1}: the sequence of its events has holes, or is not the order's (${sequence})`]),
			];
		});
	}
}

/** The events in groups as long as these. */
function regrouped(types: readonly string[], groups: readonly (readonly string[])[]): string[][] {
	const rest = [...types];
	return groups.map(({ length }) => rest.splice(0, length));
}
