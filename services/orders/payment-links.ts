import type { Context } from 'moleculer';
import { urlOf } from '../../mixins/http/index.ts';
import type { Platform } from '../../mixins/platform.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import type { Meta } from './caller.ts';
import type { OrderDto } from './order-dto.ts';
import type { Page } from './reading.ts';

/**
 * Where whoever calls sees the gateway: as the gateway says, which knows it from the request. Calls that come another way,
 * a REPL's above all, get the address of the gateway in this process, or what `HOST` and `PORT` say.
 */
function gatewaySeenBy({ gatewayUrl }: Meta, { entrances, settings }: Platform): string {
	const [ours] = Array.from(entrances, ({ url }) => url);
	return gatewayUrl ?? ours ?? urlOf(settings.http.host, settings.http.port);
}

/** The same order with the whole URL of a page that is a path of the gateway: a page of the sandbox. */
export function linked(order: OrderDto, gateway: string): OrderDto {
	const { paymentAction } = order;
	if (!paymentAction?.url?.startsWith('/')) return order;
	return { ...order, paymentAction: { ...paymentAction, url: `${gateway}${paymentAction.url}` } };
}

/** Makes the links of orders whole, whatever action answers with them. An order that was just created has none. */
export const paymentLinks = (): Mixin =>
	defineMixin({
		hooks: {
			after: {
				'get|cancel|hold|resume|amend'({ meta }: Context<unknown, Meta>, order: OrderDto): OrderDto {
					return linked(order, gatewaySeenBy(meta, this.platform));
				},
				list({ meta }: Context<unknown, Meta>, { data, nextCursor }: Page<OrderDto>): Page<OrderDto> {
					const gateway = gatewaySeenBy(meta, this.platform);
					return { data: data.map((order) => linked(order, gateway)), nextCursor };
				},
			},
		},
	});
