import { outbox } from '../mixins/outbox/index.ts';
import { defineService } from '../mixins/service.ts';
import { LINGER } from './topology.ts';
import { administration } from './webhooks/administration.ts';
import { delivering } from './webhooks/delivering.ts';

/** Tells the endpoints of shops of events, again and again until they have heard; an admin says which endpoints there are. */
export default defineService({
	name: 'webhooks',
	mixins: [administration(), delivering({ linger: LINGER }), outbox()],
});
