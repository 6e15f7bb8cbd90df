import type { ParcelService } from '../../domain/ports.ts';
import type { HandOverOutcome } from '../../domain/shipment.ts';
import { type Database, plainArray, type Transaction, textArray } from '../database/index.ts';
import { Batcher, newId } from '../runtime/index.ts';

type Asked = Parameters<ParcelService['handOver']>[0];

/** A parcel service to try things with: it journals each parcel in a transaction of its own and knows its keys. */
export class StandInParcels implements ParcelService {
	readonly #journal: Batcher<Asked, HandOverOutcome>;

	constructor(database: Database) {
		this.#journal = new Batcher({ size: 500, inFlight: 2 }, (asked) =>
			database.transaction('parcels.journal', (tx) => accept(tx, asked)),
		);
	}

	async handOver(request: Asked, signal: AbortSignal): Promise<HandOverOutcome> {
		signal.throwIfAborted();
		return this.#journal.add(request);
	}
}

async function accept(tx: Transaction, asked: readonly Asked[]): Promise<HandOverOutcome[]> {
	const sorted = [...asked].sort((a, b) => (a.idempotencyKey < b.idempotencyKey ? -1 : 1));
	const keys = textArray(sorted.map(({ idempotencyKey }) => idempotencyKey));
	const written = await tx.query<{ idempotency_key: string; parcel: string }>({
		name: 'parcels-write',
		text: `INSERT INTO sandbox_parcels (idempotency_key, order_id, parcel)
			SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING RETURNING idempotency_key, parcel`,
		values: [
			keys,
			plainArray(sorted.map(({ orderId }) => orderId)),
			textArray(sorted.map(() => `parcel_${newId(Date.now())}`)),
		],
	});
	const parcels = new Map(written.map(({ idempotency_key, parcel }) => [idempotency_key, parcel]));
	if (parcels.size < sorted.length) {
		const known = await tx.query<{ idempotency_key: string; parcel: string }>({
			name: 'parcels-read',
			text: 'SELECT idempotency_key, parcel FROM sandbox_parcels WHERE idempotency_key = ANY($1::text[])',
			values: [keys],
		});
		for (const { idempotency_key, parcel } of known) parcels.set(idempotency_key, parcel);
	}
	return asked.map(({ idempotencyKey }) => ({ kind: 'succeeded', parcel: parcels.get(idempotencyKey) ?? '' }));
}
