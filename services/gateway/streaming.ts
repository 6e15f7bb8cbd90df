/** `GET /orders/stream`. */
import type { ServerResponse } from 'node:http';
import { type Duration, SECOND } from '../../domain/time.ts';
import { malformed, ProblemError, send } from '../../mixins/http/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { type Changes, GATEWAY } from '../orders/changes/entry.ts';
import { Position } from '../orders/changes/position.ts';
import { refuseQuery } from './http/params.ts';
import type { WithServer } from './serving.ts';
import { HEADERS } from './stream/listener.ts';
import { type StreamLimits, Streams } from './stream/streams.ts';
import type { Request } from './types.ts';

/** The time limit of one read. */
const READ_TIMEOUT: Duration = 10 * SECOND;
/** Entries of one page; of the largest there are, they are half of what may wait for a client. */
const PAGE = 200;

const FIGURES = { http_streams_open: 'Streams of orders that are open.' };

export interface WithStreams {
	streams: Streams;
	/** Answers with a stream, and returns once it has begun. */
	answerStream(req: Request, res: ServerResponse): Promise<void>;
}

export const streaming = (): Mixin<WithStreams> =>
	defineMixin<WithStreams, object, WithServer>({
		methods: {
			async answerStream(req: Request, res: ServerResponse): Promise<void> {
				const grant = await this.load.while(() => this.admission.grant(req));
				refuseQuery(req.$target.query);
				const from = lastEventId(req);
				if (req.method === 'HEAD') return send(res, 200, HEADERS, null);
				const gatewayUrl = this.admission.urlOf(req) ?? this.entrance.url ?? '';
				await this.streams.begin(res, { ...grant, gatewayUrl, from });
			},
		},
		created() {
			const { broker, logger, platform } = this;
			const read = (after: string | undefined, bounded: boolean): Promise<Changes> =>
				broker.call<Changes, object>(
					'orders.changes',
					{ limit: PAGE, bounded, ...(after === undefined ? {} : { after }) },
					{ timeout: READ_TIMEOUT, meta: { caller: GATEWAY } },
				);
			const { streams: limits } = this.settings as { readonly streams?: StreamLimits };
			this.streams = new Streams(read, () => platform.metrics.streamDropped(), logger, limits);
			platform.metrics.read(FIGURES, () => ({ http_streams_open: this.streams.open }));
		},
		started() {
			this.platform.signals.on('outbox.stored', this.streams.hint);
			this.streams.start();
		},
		async stopped() {
			this.platform.signals.off('outbox.stored', this.streams.hint);
			await this.streams.stop();
		},
	}) as Mixin<WithStreams>;

/** Node joins several with a comma, which no id has. An empty one is none (WHATWG HTML, section 9.2.4). */
function lastEventId({ headers }: Request): Position | undefined {
	const text = headers['last-event-id'];
	if (text === undefined || text === '') return undefined;
	const position = typeof text === 'string' ? Position.parse(text) : undefined;
	if (position === undefined)
		throw new ProblemError(malformed('Last-Event-ID has to be the id of an event of a stream.'));
	return position;
}
