import { inboxOperations } from '../mixins/inbox/index.ts';
import { outbox, outboxOperations, relay, retention } from '../mixins/outbox/index.ts';
import { defineService } from '../mixins/service.ts';
import { overview } from './outbox-relay/overview.ts';
import { LINGER } from './topology.ts';

/** Sends the outbox, purges what was kept long enough, and offers operators' actions. */
export default defineService({
	name: 'outbox-relay',
	// The names of the operators' actions are not prefixed with the service's name.
	settings: { $noServiceNamePrefix: true },
	mixins: [outboxOperations(), inboxOperations(), overview(), relay({ rest: LINGER }), retention(), outbox()],
});
