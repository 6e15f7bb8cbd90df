/** What must be true of the tables at any instant, so also at the one at which a process was killed. */
import type { System } from './process.ts';

/** Operations that the provider did though nobody had written down that it would be asked to. */
const UNINTENDED_CALLS = `
	SELECT s.operation || ' of ' || s.order_id AS what
	FROM sandbox_operations s LEFT JOIN payments p ON p.order_id = s.order_id
	LEFT JOIN refunds r ON s.idempotency_key = concat(r.order_id, ':refund:', r.id)
	WHERE p.operation IS DISTINCT FROM s.operation AND NOT coalesce(CASE s.operation
		WHEN 'authorize' THEN p.status <> 'Requested'
		WHEN 'capture' THEN p.status IN ('Captured', 'PartiallyRefunded', 'Refunded', 'Failed')
		WHEN 'refund' THEN r.key_used_at IS NOT NULL OR r.status IN ('Succeeded', 'Failed')
		ELSE p.status = 'Voided' END, false)`;

const UNINTENDED_PARCELS = `
	SELECT 'parcel of ' || order_id AS what FROM sandbox_parcels WHERE order_id NOT IN (SELECT order_id FROM shipments)`;

/** Events that were stored without the message that tells of them. */
const UNTOLD = `
	SELECT e.type || ' of ' || e.order_id AS what FROM order_events e
	WHERE NOT EXISTS (SELECT FROM outbox_messages m WHERE m.message_id = e.id)`;

/** Orders that wait for a moment that no message was ever armed for. */
const UNARMED = `
	SELECT 'OrderDue of ' || o.id AS what FROM orders o
	WHERE NOT EXISTS (SELECT FROM outbox_messages m WHERE m.order_id = o.id AND m.type = 'OrderDue')`;

/** Wake-ups that count as sent, and that PostgreSQL as the carrier does not hold until their moment. */
const UNCARRIED = `
	SELECT m.type || ' of ' || m.order_id AS what FROM outbox_messages m
	WHERE m.sent_at IS NOT NULL AND m.deliver_at > now() + interval '1 second'
		AND NOT EXISTS (SELECT FROM carrier_messages c WHERE c.id = m.message_id)`;

/** Each in words; empty when all is well. Only for a system without a broker. */
export async function halfDone(system: Pick<System, 'sql'>): Promise<string[]> {
	const look = async (kind: string, sql: string): Promise<string[]> =>
		(await system.sql<{ what: string }>(sql)).map(({ what }) => `${kind}: ${what}`);
	return [
		...(await look('a call without a stored intent', UNINTENDED_CALLS)),
		...(await look('a hand-over without a stored intent', UNINTENDED_PARCELS)),
		...(await look('an event without its message', UNTOLD)),
		...(await look('an order without its wake-up', UNARMED)),
		...(await look('a wake-up that nobody carries', UNCARRIED)),
	];
}
