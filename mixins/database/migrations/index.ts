import type pg from 'pg';
import { type Duration, MINUTE } from '../../../domain/time.ts';
import type { Log } from '../../runtime/index.ts';
import type { DatabaseAddress } from '../../settings/index.ts';
import { migration as orders } from './0001-orders.ts';
import { migration as messages } from './0002-messages.ts';
import { migration as carrier } from './0003-carrier.ts';
import { migration as sandbox } from './0004-sandbox.ts';
import { migration as traces } from './0005-traces.ts';
import { migration as installation } from './0006-installation.ts';
import { migration as access } from './0007-access.ts';
import { migration as leanIndexes } from './0008-lean-indexes.ts';
import { migration as anySequence } from './0009-any-sequence.ts';
import { migration as pauses } from './0010-pauses.ts';
import { migration as place } from './0011-place.ts';
import { migration as deadLetters } from './0012-dead-letters.ts';
import { migration as payments } from './0013-payments.ts';
import { migration as sandboxCards } from './0014-sandbox-cards.ts';
import { migration as refunds } from './0015-refunds.ts';
import { migration as attempts } from './0016-attempts.ts';
import { migration as undecided } from './0016-undecided.ts';
import { migration as reconciliation } from './0018-reconciliation.ts';
import { migration as pausedConsumers } from './0019-paused-consumers.ts';
import { migration as webhooks } from './0020-webhooks.ts';
import { migration as commitOrder } from './0021-commit-order.ts';
import { migration as stream } from './0021-stream.ts';
import { migration as refundAttempts } from './0022-refund-attempts.ts';
import { migration as undecidedRefunds } from './0023-undecided-refunds.ts';
import { migration as leftBehind } from './0024-left-behind.ts';
import type { Migration } from './migration.ts';
import { run } from './run.ts';
import { type MigrationStatus, readStatus } from './versions.ts';

export type { Migration } from './migration.ts';
export { MigrationFailed } from './run.ts';
export type { MigrationStatus } from './versions.ts';

export const MIGRATIONS: readonly Migration[] = [
	orders,
	messages,
	carrier,
	sandbox,
	traces,
	installation,
	access,
	leanIndexes,
	anySequence,
	pauses,
	place,
	deadLetters,
	payments,
	sandboxCards,
	refunds,
	attempts,
	undecided,
	reconciliation,
	pausedConsumers,
	webhooks,
	commitOrder,
	stream,
	refundAttempts,
	undecidedRefunds,
	leftBehind,
];

/** Which of this program's versions a database has, and which others. Needs no lock and changes nothing. */
export const migrationStatus = (client: pg.ClientBase): Promise<MigrationStatus> => readStatus(client, MIGRATIONS);

/**
 * Brings the database to this program's version, or, with `down`, takes its last version back; returns their names. It
 * waits for locks briefly, again and again, so that no queue forms behind the migration; rejects once that has taken
 * `patience`.
 */
export const migrate = (
	address: DatabaseAddress,
	direction: 'up' | 'down',
	log: Log,
	patience: Duration = MINUTE,
): Promise<readonly string[]> => run(address, MIGRATIONS, { direction, log, patience });
