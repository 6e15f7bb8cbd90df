import { expect, it } from '@jest/globals';
import { environmentUnder } from '../../mixins/process/runner.ts';

it.each([
	['all of them', ['services/*.service.ts'], 'gateway,orders,outbox-relay,settlement,shipping,webhooks'],
	['one file', ['./services/settlement.service.ts'], 'settlement'],
	[
		'all but one',
		['services/*.service.ts', '!services/gateway.service.ts'],
		'orders,outbox-relay,settlement,shipping,webhooks',
	],
	['a stranger beside', ['services/orders.service.ts', 'elsewhere/thanks.service.ts'], 'orders'],
	['none of ours', ['elsewhere/thanks.service.ts'], ''],
])('the runner’s command line names the services: %s', (_, servicePaths, names) => {
	expect(environmentUnder({ servicePaths, flags: {} }, { PORT: '1' })).toEqual({ PORT: '1', SERVICES: names });
});

it('without any path all services are loaded', () => {
	const runner = { servicePaths: [] as string[], flags: {} };
	environmentUnder(runner, {});
	expect(runner.servicePaths).toEqual(['services/*.service.ts']);
});

it('SERVICES means names, and the runner, which takes them for paths, gets paths and does not see it', () => {
	const runner = { servicePaths: ['services/*.service.ts'], flags: {} };
	const env = { SERVICES: 'settlement, shipping' };
	expect(environmentUnder(runner, env)).toEqual({ SERVICES: 'settlement, shipping' });
	expect(runner.servicePaths).toEqual(['services/settlement.service.ts', 'services/shipping.service.ts']);
	expect(env).toEqual({});
});
