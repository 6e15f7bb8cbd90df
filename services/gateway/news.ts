/** `POST /webhooks/stripe`: what the payment provider says by itself. */
import type { ServerResponse } from 'node:http';
import type { Instant } from '../../domain/time.ts';
import { readClock } from '../../mixins/database/index.ts';
import { overloaded, ProblemError, problem, routeNotFound, send, unavailable } from '../../mixins/http/index.ts';
import { Forged, type NewsReader, newsReaderOf, type ProviderNews } from '../../mixins/providers/index.ts';
import { errorMessage, WaitLog } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import type { Heard } from '../settlement/news.ts';
import { readBytes } from './http/body.ts';
import type { WithServer } from './serving.ts';
import type { Request } from './types.ts';

const BODY_LIMIT = 256 * 1024;
/** The most that are read at once: nobody is known before the last byte, and there is no limit for each sender. */
const MOST = 64;
/** In ms; Stripe waits longer, and sends again what was not answered. */
const TIMEOUT = 8_000;

export interface WithNews {
	reader: NewsReader | undefined;
	/** how many messages are being worked on */
	reading: number;
	/** names each reason once a minute, whoever knocks */
	refusals: WaitLog;
	/** Answers 204 once the message is stored, or means nothing to us. */
	takeNews(req: Request, res: ServerResponse): Promise<void>;
	readNews(reader: NewsReader, req: Request): Promise<ProviderNews>;
	/** the database's clock, also before this process has begun to carry it on */
	clockNow(): Promise<Instant>;
}

/** Takes the provider's messages, where it sends any. They only make it sooner that the provider is asked. */
export const news = (): Mixin<WithNews> =>
	defineMixin<WithNews, object, WithServer>({
		methods: {
			async takeNews(req: Request, res: ServerResponse): Promise<void> {
				const { reader } = this;
				const { metrics } = this.platform;
				if (reader === undefined) throw new ProblemError(routeNotFound());
				if (this.reading >= MOST) throw new ProblemError(overloaded());
				this.reading += 1;
				try {
					const message = await this.readNews(reader, req);
					req.$leave = this.load.enter();
					const options = { timeout: TIMEOUT, requestID: req.$trace.id, meta: { traceparent: req.$trace.parent } };
					const { result }: Heard = await this.broker.call('settlement.news', message, options);
					metrics.newsTaken(result);
					send(res, 204, {}, null);
				} catch (error) {
					const isRefused = isRefusal(error);
					metrics.newsTaken(isRefused ? 'refused' : 'failed');
					if (isRefused) this.refusals.warn(`a message to /webhooks/stripe was refused: ${errorMessage(error)}`);
					throw error;
				} finally {
					this.reading -= 1;
					req.$leave?.();
				}
			},
			async readNews(reader: NewsReader, req: Request): Promise<ProviderNews> {
				const body = await readBytes(req, BODY_LIMIT);
				const now = await this.clockNow();
				const [signature] = [req.headers['stripe-signature']].flat();
				try {
					return reader.read(body, signature, now);
				} catch (error) {
					if (error instanceof Forged) throw new ProblemError(problem('Webhooks.SignatureInvalid', error.message));
					throw error;
				}
			},
			async clockNow(): Promise<Instant> {
				const { clock, database } = this.platform;
				if (clock.isRead) return clock.now();
				try {
					return await readClock(database);
				} catch {
					throw new ProblemError(unavailable());
				}
			},
		},
		created() {
			this.reading = 0;
			this.refusals = new WaitLog(this.logger);
		},
		async started() {
			this.reader = await newsReaderOf(this.platform.settings);
		},
	}) as Mixin<WithNews>;

/** What Stripe would be told again, however often it sends it. */
function isRefusal(error: unknown): boolean {
	if (error instanceof ProblemError) return error.problem.status < 500;
	return typeof error === 'object' && error !== null && 'code' in error && error.code === 400;
}
