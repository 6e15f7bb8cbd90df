/** What an admin does with endpoints. */

import { isDeepStrictEqual } from 'node:util';
import { type Context, Errors } from 'moleculer';
import type { Instant } from '../../domain/time.ts';
import { SECRET_OVERLAP } from '../../domain/webhook.ts';
import { CallTooLate, isInTime, READ_POLICY } from '../../mixins/cluster/index.ts';
import type { Statement, Transaction } from '../../mixins/database/index.ts';
import type { WithOutbox } from '../../mixins/outbox/index.ts';
import { newId } from '../../mixins/runtime/index.ts';
import { defineMixin, type Mixin } from '../../mixins/service.ts';
import { callerOf, isAdmin, type Meta } from '../orders/caller.ts';
import { cursorOfId, idOfCursor } from '../orders/cursor.ts';
import { adminsOnly, invalid } from '../orders/errors.ts';
import type { Page } from '../orders/reading.ts';
import { endSubscriptions } from './deliveries-store.ts';
import type { WithDeliveries } from './delivering.ts';
import {
	type DeliveryDto,
	type DeliveryRow,
	deliveryToDto,
	type EndpointDto,
	type EndpointRow,
	endpointToDto,
	type SecretDto,
} from './endpoint-dto.ts';
import {
	beginSubscription,
	deleteEndpoint,
	deleteSecrets,
	deleteSubscriptions,
	insertEndpoint,
	insertSecret,
	listDeliveries,
	listEndpoints,
	lockEndpoint,
	readEndpoint,
	redeliver,
	retireSecret,
	updateEndpoint,
} from './endpoints-store.ts';
import {
	CHANGE_PARAMS,
	type ChangeParams,
	DELIVERIES_PARAMS,
	DELIVERY_PARAMS,
	type DeliveriesParams,
	type DeliveryParams,
	ENDPOINT_BODY,
	ENDPOINT_ID_PARAMS,
	ENDPOINTS_QUERY,
	type EndpointParams,
	type PageParams,
} from './params.ts';
import { newSecret } from './signing.ts';
import { urlFault } from './target.ts';

type IdContext = Context<{ id: string }, Meta>;

interface WithAdministration {
	/** one transaction that changes this endpoint, locked, at this moment; throws if there is none */
	changeEndpoint: <T>(
		ctx: IdContext,
		change: (tx: Transaction, endpoint: EndpointRow, now: Instant) => Promise<T>,
	) => Promise<T>;
	checkUrl: (url: string) => Promise<void>;
	page: <R extends object, T>(
		statement: Statement,
		limit: number,
		map: (row: R) => T,
		idOf: (row: R) => string,
	) => Promise<Page<T>>;
}

const notFound = (what: string): Error =>
	new Errors.MoleculerClientError(`There is no such ${what}.`, 404, 'Webhooks.NotFound');

/** Only an admin; a call that changes something begins in time or not at all. */
function requireAdmin(ctx: Context<unknown, Meta>): void {
	if (!isAdmin(callerOf(ctx.meta))) throw adminsOnly();
	if (!isInTime(ctx)) throw new CallTooLate();
}

/** The actions `webhooks.*`, as over HTTP. */
export const administration = (): Mixin<WithAdministration> =>
	defineMixin<WithAdministration, object, WithOutbox & WithDeliveries>({
		created() {
			const { database, settings } = this.platform;
			this.checkUrl = async (url) => {
				const fault = await urlFault(url, settings.webhookAllowPrivate);
				if (fault !== undefined) throw invalid({ url: fault });
			};
			this.changeEndpoint = (ctx, change) =>
				this.outbox.transaction('webhooks.change', async (work, tx) => {
					const [[endpoint], { now }] = await Promise.all([
						tx.query<EndpointRow>(lockEndpoint(ctx.params.id)),
						work.readClock(),
					]);
					if (endpoint === undefined) throw notFound('endpoint');
					if (!isInTime(ctx)) throw new CallTooLate();
					return change(tx, endpoint, now);
				});
			this.page = async <R extends object, T>(
				statement: Statement,
				limit: number,
				map: (row: R) => T,
				idOf: (row: R) => string,
			) => {
				const rows = await database.query<R>(statement);
				const last = rows.length > limit ? rows[limit - 1] : undefined;
				return {
					data: rows.slice(0, limit).map(map),
					nextCursor: last === undefined ? null : cursorOfId(idOf(last)),
				};
			};
		},
		actions: {
			create: {
				params: ENDPOINT_BODY,
				async handler(ctx: Context<EndpointParams, Meta>): Promise<SecretDto> {
					requireAdmin(ctx);
					const { url, types = null, description = null } = ctx.params;
					await this.checkUrl(url);
					const secret = newSecret();
					return this.outbox.transaction('webhooks.change', async (work, tx) => {
						const { now } = await work.readClock();
						if (!isInTime(ctx)) throw new CallTooLate();
						const endpoint = { id: newId(now), url, types, description };
						const [row] = await tx.query<EndpointRow>(insertEndpoint(endpoint, now));
						if (row === undefined) throw new Error('the endpoint was not stored');
						tx.write(insertSecret(endpoint.id, newId(now), secret));
						tx.write(beginSubscription(endpoint.id, types, now));
						return { ...endpointToDto(row), secret };
					});
				},
			},
			list: {
				params: ENDPOINTS_QUERY,
				retryPolicy: READ_POLICY,
				async handler(ctx: Context<PageParams, Meta>): Promise<Page<EndpointDto>> {
					requireAdmin(ctx);
					const { limit, cursor } = ctx.params;
					return this.page(listEndpoints(limit + 1, beforeOf(cursor)), limit, endpointToDto, ({ id }) => id);
				},
			},
			get: {
				params: ENDPOINT_ID_PARAMS,
				retryPolicy: READ_POLICY,
				async handler(ctx: IdContext): Promise<EndpointDto> {
					requireAdmin(ctx);
					const [row] = await this.platform.database.query<EndpointRow>(readEndpoint(ctx.params.id));
					if (row === undefined) throw notFound('endpoint');
					return endpointToDto(row);
				},
			},
			update: {
				params: CHANGE_PARAMS,
				async handler(ctx: Context<ChangeParams, Meta>): Promise<EndpointDto> {
					requireAdmin(ctx);
					if (ctx.params.url !== undefined) await this.checkUrl(ctx.params.url);
					const changed = await this.changeEndpoint(ctx, async (tx, before, now) => {
						const { id, url, types, description, status } = { ...before, ...ctx.params };
						const after = { id, url, types, description, status };
						const isOther = status !== before.status || !isDeepStrictEqual(types, before.types);
						if (isOther && before.status === 'enabled') await tx.query(endSubscriptions([id], now));
						if (isOther && status === 'enabled') await tx.query(beginSubscription(id, types, now));
						const [row] = await tx.query<EndpointRow>(updateEndpoint(after, now));
						if (row === undefined) throw notFound('endpoint');
						return row;
					});
					if (changed.status === 'enabled') this.dispatcher?.wake([changed.id]);
					return endpointToDto(changed);
				},
			},
			delete: {
				params: ENDPOINT_ID_PARAMS,
				async handler(ctx: IdContext): Promise<null> {
					requireAdmin(ctx);
					await this.changeEndpoint(ctx, async (tx, { id }, now) => {
						tx.write(deleteEndpoint(id, now));
						tx.write(deleteSubscriptions(id));
						tx.write(deleteSecrets(id));
					});
					return null;
				},
			},
			rotateSecret: {
				params: ENDPOINT_ID_PARAMS,
				async handler(ctx: IdContext): Promise<SecretDto> {
					requireAdmin(ctx);
					const secret = newSecret();
					return this.changeEndpoint(ctx, async (tx, endpoint, now) => {
						await tx.query(retireSecret(endpoint.id, SECRET_OVERLAP));
						await tx.query(insertSecret(endpoint.id, newId(now), secret));
						return { ...endpointToDto(endpoint), secret };
					});
				},
			},
			deliveries: {
				params: DELIVERIES_PARAMS,
				retryPolicy: READ_POLICY,
				async handler(ctx: Context<DeliveriesParams, Meta>): Promise<Page<DeliveryDto>> {
					requireAdmin(ctx);
					const { id, status, limit, cursor } = ctx.params;
					const [endpoint] = await this.platform.database.query<EndpointRow>(readEndpoint(id));
					if (endpoint === undefined) throw notFound('endpoint');
					const which = { limit: limit + 1, before: beforeOf(cursor), ...(status === undefined ? {} : { status }) };
					return this.page(listDeliveries(id, which), limit, deliveryToDto, ({ event_id }: DeliveryRow) => event_id);
				},
			},
			redeliver: {
				params: DELIVERY_PARAMS,
				async handler(ctx: Context<DeliveryParams, Meta>): Promise<DeliveryDto> {
					requireAdmin(ctx);
					const { id, eventId } = ctx.params;
					const [row] = await this.outbox.transaction('webhooks.change', (_work, tx) =>
						tx.query<DeliveryRow>(redeliver(id, eventId)),
					);
					if (row === undefined) throw notFound('delivery');
					this.dispatcher?.wake([id]);
					return deliveryToDto(row);
				},
			},
		},
	});

const beforeOf = (cursor: string | undefined): string | null =>
	cursor === undefined ? null : (idOfCursor(cursor) ?? null);
