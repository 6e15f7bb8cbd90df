/** What the console's page asks for beside the orders' routes: a few calls, for operators alone. */
import type { ServerResponse } from 'node:http';
import { ProblemError, send } from '../../mixins/http/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { ADMIN_SCOPE, isAdmin, type Meta } from '../orders/caller.ts';
import type { OrderDto } from '../orders/order-dto.ts';
import type { Overview } from '../outbox-relay/overview.ts';
import { forbidden } from './admission/authenticate.ts';
import { REPLAY_BODY, RESOLVE_BODY, RESUME_BODY } from './console-params.ts';
import { encodeResult } from './http/answer.ts';
import { bodyParams, refuseQuery } from './http/params.ts';
import type { ConsoleCall } from './http/routes.ts';
import type { WithServer } from './serving.ts';
import type { Request } from './types.ts';

/** Of a read, in ms. */
const TIMEOUT = 8_000;

export interface WithConsole {
	/** Needs the scope `orders:admin`. */
	answerConsole(call: ConsoleCall, req: Request, res: ServerResponse): Promise<void>;
}

export const consoleApi = (): Mixin<WithConsole> =>
	defineMixin<
		WithConsole,
		object,
		WithServer & { carryOut: (call: ConsoleCall, req: Request, meta: Meta) => Promise<string> }
	>({
		methods: {
			async answerConsole(call: ConsoleCall, req: Request, res: ServerResponse): Promise<void> {
				const caller = await this.load.while(() => this.admission.admit(req));
				if (!isAdmin(caller)) throw new ProblemError(forbidden(ADMIN_SCOPE));
				refuseQuery(req.$target.query);
				const carriedOut = () => this.carryOut(call, req, { caller, traceparent: req.$trace.parent });
				// Before a decision the provider is asked, which may take a minute: that is no sign of too much work.
				const body = await (call === 'console/resolve' ? carriedOut() : this.load.while(carriedOut));
				send(res, 200, { 'Content-Type': 'application/json' }, body);
			},
			/** The answer as JSON. */
			async carryOut(call: ConsoleCall, req: Request, meta: Meta): Promise<string> {
				const options = { requestID: req.$trace.id, meta };
				if (call === 'console/overview') {
					const reading = { ...options, timeout: TIMEOUT };
					return JSON.stringify(await this.broker.call<Overview, object>('operations.overview', {}, reading));
				}
				if (call === 'console/replay') {
					const params = await bodyParams(req, REPLAY_BODY);
					return JSON.stringify(await this.broker.call('deadletters.replay', params, options));
				}
				if (call === 'console/resume') {
					const params = await bodyParams(req, RESUME_BODY);
					return JSON.stringify(await this.broker.call('consumers.resume', params, options));
				}
				const params = await bodyParams(req, RESOLVE_BODY);
				const order = await this.broker.call<OrderDto, object>('payments.resolve', params, options);
				return encodeResult('orders.get', order);
			},
		},
	}) as Mixin<WithConsole>;
