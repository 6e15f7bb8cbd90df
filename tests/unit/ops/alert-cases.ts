/** For each alert of docs/operations.md: figures with which it fires, and others with which it does not. */

/** What a series is in the notation of `promtool test rules`, one value a minute; two hours count. */
type Figures = Readonly<Record<string, string>>;

export interface AlertCase {
	readonly fires: Figures;
	readonly quiet: Figures;
	/** what the alert says beside its severity */
	readonly labels: Readonly<Record<string, string>>;
}

const JOB = { job: 'protected-payment' };
const job = 'job="protected-payment"';
const on = (instance: string): string => `${job},instance="${instance}"`;

/** A histogram of which `slow` of a hundred in each minute are above `bound`. */
const histogram = (name: string, labels: string, bound: string, slow: number): Figures => ({
	[`${name}_bucket{${labels},le="0.1"}`]: `0+${100 - slow}x150`,
	[`${name}_bucket{${labels},le="${bound}"}`]: `0+${100 - slow}x150`,
	[`${name}_bucket{${labels},le="+Inf"}`]: '0+100x150',
});

/** Two counters that grow: by how much in a minute. */
const growing = (one: string, other: string, [by, alsoBy]: readonly [number, number]): Figures => ({
	[one]: `0+${by}x150`,
	[other]: `0+${alsoBy}x150`,
});

const ONCE = '0x112 1x40';
const ALWAYS = '1x150';
const NEVER = '0x150';

const share = (name: string, [bad, good]: readonly [string, string], labels: object = {}): AlertCase => ({
	fires: growing(`${name}{${job},${bad}}`, `${name}{${job},${good}}`, [10, 90]),
	quiet: growing(`${name}{${job},${bad}}`, `${name}{${job},${good}}`, [4, 96]),
	labels: { ...JOB, ...labels },
});

const figure = (name: string, fires: string, quiet: string): AlertCase => ({
	fires: { [`${name}{${on('a')}}`]: fires, [`${name}{${on('b')}}`]: NEVER },
	quiet: { [`${name}{${on('a')}}`]: quiet, [`${name}{${on('b')}}`]: NEVER },
	labels: JOB,
});

const ofEachProcess = (name: string, fires: string, quiet: string): AlertCase => ({
	...figure(name, fires, quiet),
	labels: { ...JOB, instance: 'a' },
});

/** Fires without the series. */
const missing = (name: string, more = '', labels = {}): AlertCase => ({
	fires: { [`${name}{job="another"${more}}`]: ALWAYS },
	quiet: { [`${name}{${job}${more}}`]: NEVER },
	labels,
});

const outcomes = (labels: string): string => `payment_outcomes_total{${job},${labels}}`;

export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
	MoneyTakenWrongly: figure('settlement_breaches_total', ONCE, '1x150'),
	HoldsEndSoon: figure('holds_ending_soon', '0x100 2x50', '0x117 2x1 0x30'),
	PaymentsUnknown: figure('payments_unknown_oldest_age_seconds', '0+60x150', '0x116 250+60x30'),
	PaymentsUndecided: figure('payments_undecided_oldest_age_seconds', '0+60x150', '0+29x150'),
	ProviderRefusesUs: figure('provider_refuses_us', '0x110 1x40', '0x119 1x30'),
	ProviderOutcomesUnknown: share('payment_outcomes_total', ['outcome="unknown"', 'outcome="succeeded"']),
	ProviderSlow: {
		fires: histogram('provider_call_seconds', `${job},operation="capture"`, '5', 2),
		quiet: histogram('provider_call_seconds', `${job},operation="capture"`, '5', 0),
		labels: { ...JOB, operation: 'capture' },
	},
	VoidsRefused: {
		fires: { [outcomes('operation="void",outcome="refused"')]: ONCE },
		quiet: {
			[outcomes('operation="void",outcome="refused"')]: '1x150',
			[outcomes('operation="capture",outcome="refused"')]: '0+1x150',
		},
		labels: JOB,
	},
	ProviderEventsRefused: {
		fires: { [`provider_webhooks_total{${job},result="refused"}`]: '0+1x150' },
		quiet: growing(
			`provider_webhooks_total{${job},result="refused"}`,
			`provider_webhooks_total{${job},result="nothing"}`,
			[0.2, 50],
		),
		labels: JOB,
	},
	WindowsEndLate: {
		fires: histogram('wakeup_lateness_seconds', `${job},type="OrderDue"`, '10', 2),
		quiet: {
			...histogram('wakeup_lateness_seconds', `${job},type="OrderDue"`, '10', 0),
			...histogram('wakeup_lateness_seconds', `${job},type="ShipmentDue"`, '10', 50),
		},
		labels: JOB,
	},
	OrdersPileUp: {
		fires: { [`orders_unfinished{${on('a')},status="Confirmed"}`]: '0+120x150' },
		quiet: {
			[`orders_unfinished{${on('a')},status="Confirmed"}`]: '5000x150',
			[`orders_unfinished{${on('a')},status="Pending"}`]: '0+600x150',
		},
		labels: { ...JOB, status: 'Confirmed' },
	},
	WakeUpsLost: {
		fires: growing(
			`orders_confirmed_total{${job},woken_by="sweeper"}`,
			`orders_confirmed_total{${job},woken_by="carrier"}`,
			[2, 998],
		),
		quiet: growing(
			`orders_confirmed_total{${job},woken_by="sweeper"}`,
			`orders_confirmed_total{${job},woken_by="carrier"}`,
			[0.5, 998],
		),
		labels: JOB,
	},
	SweeperFinds: figure('sweeper_finds_total', '0+1x150', '0x95 5x50'),
	SweeperFails: figure('sweeper_failures_total', '0+1x150', '7x150'),
	ConsumerPaused: {
		fires: { [`consumer_paused{${job},group="settlement"}`]: ALWAYS },
		quiet: { [`consumer_paused{${job},group="settlement"}`]: '_x80 1x70' },
		labels: { ...JOB, group: 'settlement' },
	},
	DeadLetters: {
		fires: { [`dead_letters_total{${job},group="shipping"}`]: ONCE },
		quiet: { [`dead_letters_total{${job},group="shipping"}`]: '3x150' },
		labels: { ...JOB, group: 'shipping' },
	},
	MessagesFail: {
		fires: growing(`messages_failed_total{${job},group="g"}`, `messages_handled_total{${job},group="g"}`, [10, 0]),
		quiet: growing(`messages_failed_total{${job},group="g"}`, `messages_handled_total{${job},group="g"}`, [4, 100]),
		labels: { ...JOB, group: 'g' },
	},
	ShopsHearLate: figure('webhook_oldest_pending_age_seconds', '0+60x150', '3600x150'),
	WebhookDeliveriesFail: {
		fires: { [`webhook_deliveries_total{${job},outcome="failed"}`]: ONCE },
		quiet: {
			[`webhook_deliveries_total{${job},outcome="failed"}`]: '2x150',
			[`webhook_deliveries_total{${job},outcome="retry"}`]: '0+5x150',
		},
		labels: JOB,
	},
	WebhookEndpointDisabled: {
		fires: { [`webhook_endpoints_disabled_total{${job},reason="gone"}`]: ONCE },
		quiet: { [`webhook_endpoints_disabled_total{${job},reason="gone"}`]: '2x150' },
		labels: { ...JOB, reason: 'gone' },
	},
	OutboxStuck: figure('outbox_oldest_message_age_seconds', '0x100 10+60x50', '59x150'),
	OutboxMessagesFail: figure('outbox_failing_messages', '3x150', '0x115 3x2 0x30'),
	ProcessAway: {
		fires: { [`up{${on('a')}}`]: '1x100 0x50' },
		quiet: { [`up{${on('a')}}`]: '1x117 0x2 1x30', 'up{job="another"}': NEVER },
		labels: { ...JOB, instance: 'a' },
	},
	GatewayAway: missing('http_connections'),
	RelayOrDatabaseAway: missing('outbox_unsent_messages'),
	SettlementAway: missing('holds_ending_soon'),
	ShippingAway: missing('messages_handled_total', ',group="shipping"', { group: 'shipping' }),
	WebhooksAway: missing('webhook_pending_deliveries'),
	DatabaseConnectionsShort: ofEachProcess('database_connections_awaited', '50x150', '20x150'),
	HttpErrors: share('http_request_duration_seconds_count', ['status="5xx"', 'status="2xx"']),
	HttpSlow: {
		fires: histogram('http_request_duration_seconds', `${job},method="POST",route="/orders"`, '2.5', 2),
		quiet: {
			...histogram('http_request_duration_seconds', `${job},method="POST",route="/orders"`, '2.5', 0),
			...histogram('http_request_duration_seconds', `${job},method="GET",route="/orders/{id}"`, '2.5', 90),
		},
		labels: JOB,
	},
	RequestsRefused: {
		fires: { [`http_requests_refused_total{${job},reason="overload"}`]: '0+1x150' },
		quiet: growing(
			`http_requests_refused_total{${job},reason="overload"}`,
			`http_requests_refused_total{${job},reason="rate_limit"}`,
			[0, 9],
		),
		labels: JOB,
	},
	SpansDropped: figure('trace_spans_dropped_total', '0+1x150', '0x117 1x40'),
	EventLoopBusy: ofEachProcess('nodejs_eventloop_lag_p99_seconds', '0.3x150', '0.1x150'),
};
