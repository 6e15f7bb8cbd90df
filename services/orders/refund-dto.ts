import { formatAmount } from '../../domain/money.ts';
import type { RefundStatus } from '../../domain/refund.ts';
import { isoText } from '../../mixins/runtime/index.ts';
import { storedUnits } from '../../mixins/validation/index.ts';

/** A refund as actions answer with it. Times are RFC 3339; what has not happened is null. */
export interface RefundDto {
	readonly id: string;
	readonly orderId: string;
	/** major units as an exact decimal; over HTTP a JSON number with these digits */
	readonly amount: string;
	readonly currency: string;
	readonly status: RefundStatus;
	readonly reason: string | null;
	readonly createdAt: string;
	readonly settledAt: string | null;
	readonly failureReason: string | null;
}

/** From the aggregate, or from a row that was read. */
interface Fields extends Pick<RefundDto, 'id' | 'status' | 'reason' | 'failureReason'> {
	readonly amountMinor: bigint | string;
	readonly createdAt: number | Date;
	readonly settledAt: number | Date | null;
}

export const refundToDto = (refund: Fields, orderId: string, currency: string): RefundDto => ({
	id: refund.id,
	orderId,
	amount: formatAmount({ minor: BigInt(refund.amountMinor), currency }, storedUnits),
	currency,
	status: refund.status,
	reason: refund.reason,
	createdAt: isoText(Number(refund.createdAt)),
	settledAt: refund.settledAt === null ? null : isoText(Number(refund.settledAt)),
	failureReason: refund.failureReason,
});
