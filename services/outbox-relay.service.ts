import { inboxOperations } from '../mixins/inbox/index.ts';
import { outboxOperations, relay, retention } from '../mixins/outbox/index.ts';
import { defineService } from '../mixins/service.ts';
import { LINGER } from './topology.ts';

/** Sends the outbox, purges what was kept long enough, and lets operators look and repeat. */
export default defineService({
	name: 'outbox-relay',
	// The operators' actions are named after what they are about.
	settings: { $noServiceNamePrefix: true },
	mixins: [outboxOperations(), inboxOperations(), relay({ rest: LINGER }), retention()],
});
