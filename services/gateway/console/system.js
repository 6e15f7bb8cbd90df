/** How the system is: what waits, how late it is, and which services run where. */
import { useCell } from './cell.js';
import { duration, plural } from './format.js';
import { html } from './html.js';
import { overview, past } from './overview.js';

/** @typedef {import('./types.js').Overview} Overview */

export function System() {
	const seen = useCell(overview);
	if (seen === null) return null;
	return html`<div class="system">
		<${Waiting} waiting=${seen.waiting} />
		<${Lateness} steps=${seen.lateness} />
		<${Nodes} nodes=${seen.nodes} />
	</div>`;
}

/** @type {readonly (readonly [keyof Overview['waiting'], string])[]} */
const STAGES = [
	['forBuyers', 'in their window'],
	['onHold', 'paused'],
	['overdue', 'overdue'],
	['forRelease', 'to be released'],
	['forCapture', 'to be taken, shipped'],
	['forRefund', 'being given back'],
];

/** @param {{ waiting: Overview['waiting'] }} props */
function Waiting({ waiting }) {
	const most = Math.max(1, ...STAGES.map(([stage]) => waiting[stage]));
	const { messages, oldestMessageSeconds } = waiting;
	const oldest = messages === 0 ? '' : `, the oldest for ${duration(oldestMessageSeconds * 1_000)}`;
	return html`<section class="card" aria-labelledby="waiting-title">
		<h2 id="waiting-title">What waits</h2>
		<table class="bars">
			<caption class="visually-hidden">Unfinished orders</caption>
			<tbody>
				${STAGES.map(
					([stage, label]) => html`<tr key=${stage}>
						<th scope="row">${label}</th>
						<td class="figure">${waiting[stage].toLocaleString()}</td>
						<td class="bar"><${Bar} part=${waiting[stage] / most} isLate=${stage === 'overdue'} /></td>
					</tr>`,
				)}
			</tbody>
		</table>
		<p class="hint">${`${plural(messages, 'message')} to be sent${oldest}`}</p>
		<${Backlog} />
	</section>`;
}

/** @param {{ part: number, isLate?: boolean }} props */
const Bar = ({ part, isLate = false }) => html`<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
	<rect class="ground" width="100" height="8" rx="2" />
	<rect class=${isLate ? 'late' : 'full'} width=${part === 0 ? 0 : Math.max(2, part * 100)} height="8" rx="2" />
</svg>`;

const WIDTH = 300;
const HEIGHT = 48;

/** The last five minutes: messages to be sent, and orders that the system is late with. */
function Backlog() {
	const points = useCell(past);
	if (points.length < 2) return null;
	const most = Math.max(10, ...points.map(({ messages, late }) => Math.max(messages, late)));
	const line = (/** @type {'messages' | 'late'} */ name) =>
		points
			.map((point, at) => `${(at / (points.length - 1)) * WIDTH},${HEIGHT - 2 - (point[name] / most) * (HEIGHT - 4)}`)
			.join(' ');
	const last = points.at(-1);
	return html`<figure class="backlog">
		<svg
			viewBox="0 0 ${WIDTH} ${HEIGHT}"
			preserveAspectRatio="none"
			role="img"
			aria-label=${`Backlog of the last minutes, at most ${most}: ${last?.messages} messages and ${last?.late} orders now`}
		>
			<polyline class="messages-line" points=${line('messages')} />
			<polyline class="orders-line" points=${line('late')} />
		</svg>
		<figcaption><span class="key messages-key">messages</span><span class="key orders-key">orders at work</span></figcaption>
	</figure>`;
}

/** @param {number | null} upTo @param {number} before */
const stepName = (upTo, before) => (upTo === null ? `> ${before} s` : `${upTo} s`);

/** @param {{ steps: Overview['lateness'] }} props */
function Lateness({ steps }) {
	const total = steps.reduce((sum, { orders }) => sum + orders, 0);
	const most = Math.max(1, ...steps.map(({ orders }) => orders));
	return html`<section class="card" aria-labelledby="lateness-title">
		<h2 id="lateness-title">Confirmed so late</h2>
		${
			total === 0
				? html`<p class="hint">No order was confirmed yet.</p>`
				: html`<table class="columns-chart">
						<caption class="hint">${`after the end of the window; ${plural(total, 'order')}, the newest`}</caption>
						<tbody>
							${steps.map(
								({ upToSeconds, orders }, at) => html`<tr key=${at}>
									<th scope="row">${stepName(upToSeconds, steps[at - 1]?.upToSeconds ?? 0)}</th>
									<td class="column">
										<svg viewBox="0 0 10 60" preserveAspectRatio="none" aria-hidden="true">
											<rect class="ground" width="10" height="60" rx="1" />
											<rect
												class=${(upToSeconds ?? 99) > 5 ? 'late' : 'full'}
												y=${60 - (orders === 0 ? 0 : Math.max(2, (orders / most) * 60))}
												width="10"
												height=${orders === 0 ? 0 : Math.max(2, (orders / most) * 60)}
												rx="1"
											/>
										</svg>
									</td>
									<td class="figure">${orders.toLocaleString()}</td>
								</tr>`,
							)}
						</tbody>
					</table>`
		}
	</section>`;
}

/** @param {{ nodes: Overview['nodes'] }} props */
function Nodes({ nodes }) {
	return html`<section class="card" aria-labelledby="nodes-title">
		<h2 id="nodes-title">Which services run where</h2>
		<ul class="nodes">
			${nodes.map(
				({ id, services, available }) => html`<li key=${id} data-available=${available}>
					<strong>${id}</strong>
					<span>${available ? services.join(', ') || 'no service' : 'is away'}</span>
				</li>`,
			)}
		</ul>
	</section>`;
}
