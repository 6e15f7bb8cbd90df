export type { Access, Auth, RateLimit, Subnet, TokenKeys, TokenRules } from './access.ts';
export { type BrokerUrl, parseBrokerUrl, type RedisUrl } from './broker-url.ts';
export type { DatabaseAddress } from './database-address.ts';
export { type Environment, isLoopback, SettingsError } from './reading.ts';
export {
	CANCELLATION_WINDOW_RANGE,
	formatDuration,
	parseDuration,
	parseSettings,
	SERVICE_NAMES,
	type ServiceName,
	type Settings,
} from './settings.ts';
export type { StripeBase, StripeSettings } from './stripe.ts';
export type { Sampling, TracingSettings } from './tracing.ts';
