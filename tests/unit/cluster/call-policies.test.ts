import { describe, expect, it } from '@jest/globals';
import { Errors, ServiceBroker } from 'moleculer';
import {
	Busy,
	CALL_POLICIES,
	CallTooLate,
	isNodeFailure,
	isWorthRepeating,
	READ_POLICY,
} from '../../../mixins/cluster/call-policies.ts';
import { DatabaseUnavailable } from '../../../mixins/database/database.ts';
import { brokerOptions } from '../../../moleculer.config.ts';
import { testPlatform } from '../../support/platform.ts';

const at = { action: 'orders.get', nodeID: 'orders-0' };
/** As Moleculer restores an error that came from another node. */
const from = (nodeID: string, error: object): object => Object.assign(error, { nodeID });

const refusals: [string, object][] = [
	['not found', new Errors.MoleculerClientError('none', 404, 'Orders.NotFound')],
	['window closed', new Errors.MoleculerClientError('closed', 409, 'Orders.WindowClosed')],
	['invalid', new Errors.ValidationError('invalid', 'VALIDATION_ERROR', [])],
	['a bug', new TypeError('undefined is not a function')],
	['a bug elsewhere', from('orders-0', new Errors.MoleculerError('oops', 500))],
];

describe('a failure of the node that was called', () => {
	it.each<[string, object]>([
		['no answer in time', new Errors.RequestTimeoutError(at)],
		['gone while it was asked', new Errors.RequestRejectedError(at)],
		['it has no database', from('orders-0', new DatabaseUnavailable('away'))],
	])('is: %s', (_, error) => expect(isNodeFailure(error)).toBe(true));

	it.each<[string, unknown]>([
		...refusals,
		['this node has no database', new DatabaseUnavailable('away')],
		['the broker is away', new Errors.BrokerDisconnectedError('away')],
		['too many want to change one order', from('orders-0', new Busy('busy'))],
		['it came too late to be begun', from('orders-0', new CallTooLate())],
		['nobody to call', new Errors.ServiceNotFoundError(at)],
		['nothing', undefined],
		['a text', 'REQUEST_TIMEOUT'],
	])('is not: %s', (_, error) => expect(isNodeFailure(error)).toBe(false));
});

describe('a read', () => {
	it.each<[string, object]>([
		['gone while it was asked', new Errors.RequestRejectedError(at)],
		['about to stop', new Errors.ServiceNotAvailableError(at)],
		['too busy', new Errors.QueueIsFullError(at)],
	])('is repeated: %s', (_, error) => expect(isWorthRepeating(error)).toBe(true));

	it.each<[string, unknown]>([
		...refusals,
		['no answer in time', new Errors.RequestTimeoutError(at)],
		['no database', new DatabaseUnavailable('away')],
		['nothing', null],
	])('is not repeated: %s', (_, error) => expect(isWorthRepeating(error)).toBe(false));
});

describe('in a single process', () => {
	it('a read that times out is not repeated, and every call ends after the same time as among several', async () => {
		const options = brokerOptions({
			platform: testPlatform({}),
			node: { options: {}, middlewares: [], prefix: '' },
			middlewares: { first: [], last: [] },
		});
		const broker = new ServiceBroker({ ...options, logger: false, requestTimeout: 50, tracking: { enabled: false } });
		let asked = 0;
		const handler = (): Promise<void> => {
			asked += 1;
			return new Promise(() => {});
		};
		broker.createService({ name: 'slow', actions: { read: { retryPolicy: READ_POLICY, handler } } });
		await broker.start();
		await expect(broker.call('slow.read')).rejects.toMatchObject({ type: 'REQUEST_TIMEOUT' });
		expect(asked).toBe(1);
		expect(options).toMatchObject({ requestTimeout: 15_000, ...CALL_POLICIES });
		await broker.stop();
	}, 20_000);
});
