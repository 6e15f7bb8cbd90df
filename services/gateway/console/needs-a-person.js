/** What goes no further until somebody acts. */
import { ask } from './api.js';
import { useCell } from './cell.js';
import { serverNow } from './clock.js';
import { look, whyOf } from './commands.js';
import { dialog } from './dialog.js';
import { duration, plural } from './format.js';
import { html } from './html.js';
import { say } from './messages.js';
import { cellOf } from './orders.js';
import { endpoints, lookAround, lookAtEndpoints, overview } from './overview.js';

/** @param {string} iso */
const since = (iso) => duration(Math.max(1_000, Math.round((serverNow() - Date.parse(iso)) / 1_000) * 1_000));

/** Shows the story of an order, which may not be listed. @param {string} orderId */
async function tell(orderId) {
	cellOf(orderId); // from now on it is kept, listed or not
	await look(orderId);
	dialog.value = { kind: 'history', orderId };
}

/**
 * Does it, says so, and looks again.
 * @param {() => Promise<string>} act
 * @param {() => Promise<unknown>} again
 */
async function act(act, again) {
	try {
		say('status', await act());
	} catch (error) {
		say('alert', whyOf(error));
	}
	await again();
}

/** @param {import('./types.js').Cause} cause */
const replay = ({ ids }) =>
	act(async () => {
		const body = JSON.stringify({ ids });
		/** @type {{ replayed: number }} */
		const { replayed } = await ask('console/api/replay', { method: 'POST', body });
		const rest = ids.length - replayed;
		const stay = rest === 0 ? '' : ` ${plural(rest, 'message')} cannot be: this system has not raised them.`;
		return `${plural(replayed, 'message')} will be sent again.${stay}`;
	}, lookAround);

/** @param {string} group */
const resume = (group) =>
	act(async () => {
		await ask('console/api/resume', { method: 'POST', body: JSON.stringify({ group }) });
		return `${group} goes on within three seconds.`;
	}, lookAround);

/** @param {import('./overview.js').Watched} endpoint */
const enable = ({ id, url }) =>
	act(async () => {
		await ask(`webhook-endpoints/${id}`, { method: 'PATCH', body: JSON.stringify({ status: 'enabled' }) });
		return `${url} is enabled again.`;
	}, lookAtEndpoints);

/** @param {import('./overview.js').Watched} endpoint */
const redeliver = ({ id, failed }) =>
	act(async () => {
		for (const { eventId } of failed) {
			await ask(`webhook-endpoints/${id}/deliveries/${eventId}/redeliver`, { method: 'POST' });
		}
		return `${plural(failed.length, 'delivery', 'deliveries')} will be made again.`;
	}, lookAtEndpoints);

export function NeedsAPerson() {
	const seen = useCell(overview);
	const watched = useCell(endpoints) ?? [];
	if (seen === null) return null;
	const { payments, deadLetters, holdsEndingSoon, pausedGroups } = seen.needsAPerson;
	const count = payments.length + deadLetters.length + watched.length + holdsEndingSoon.count + pausedGroups.length;
	return html`<section class="problems ${count === 0 ? 'calm' : ''}" aria-labelledby="problems-title">
		<h2 id="problems-title">${count === 0 ? 'Nothing needs a person' : 'Needs a person'}</h2>
		<div class="groups">
			<${Group} title="Payments whose outcome is unknown" count=${payments.length}>
				${payments.map(
					(payment) => html`<li key=${payment.orderId}>
						<div class="what"><p><strong>${payment.operation}</strong> without an answer for ${since(payment.since)}</p>
						<p class="number">${payment.orderNumber}</p></div>
						<p class="actions">
							<button type="button" onClick=${() => tell(payment.orderId)}>History</button>
							<button
								type="button"
								class="primary"
								onClick=${() => {
									dialog.value = { kind: 'resolve', payment };
								}}
							>
								Decide
							</button>
						</p>
					</li>`,
				)}
			<//>
			<${Group} title="Messages that could not be handled" count=${deadLetters.reduce((sum, { count }) => sum + count, 0)}>
				${deadLetters.map(
					(cause) => html`<li key=${`${cause.consumer} ${cause.type} ${cause.error}`}>
						<div class="what"><p><strong>${plural(cause.count, cause.type, cause.type)}</strong> of ${cause.consumer}, last ${since(cause.latest)} ago</p>
						<p class="cause">${cause.error}</p></div>
						<p class="actions">
							<button type="button" class="primary" onClick=${() => replay(cause)}>
								${cause.ids.length < cause.count ? `Send ${cause.ids.length} again` : 'Send again'}
							</button>
						</p>
					</li>`,
				)}
			<//>
			<${Group} title="Endpoints that do not answer" count=${watched.length}>
				${watched.map(
					(endpoint) => html`<li key=${endpoint.id}>
						<div class="what"><p class="cause"><strong>${endpoint.url}</strong></p>
						<p>${endpointNote(endpoint)}</p></div>
						<p class="actions">
							${endpoint.status === 'disabled' && html`<button type="button" class="primary" onClick=${() => enable(endpoint)}>Enable</button>`}
							${endpoint.failed.length > 0 && html`<button type="button" onClick=${() => redeliver(endpoint)}>Deliver again</button>`}
						</p>
					</li>`,
				)}
			<//>
			<${Group} title="Money held for less than an hour" count=${holdsEndingSoon.count}>
				${holdsEndingSoon.first.map(
					({ orderId, orderNumber }) => html`<li key=${orderId}>
						<p class="number what">${orderNumber}</p>
						<p class="actions"><button type="button" onClick=${() => tell(orderId)}>History</button></p>
					</li>`,
				)}
				${
					holdsEndingSoon.count > holdsEndingSoon.first.length &&
					html`<li key="more"><p>and ${plural(holdsEndingSoon.count - holdsEndingSoon.first.length, 'other')}</p></li>`
				}
			<//>
			<${Group} title="Consumer groups that are paused" count=${pausedGroups.length}>
				${pausedGroups.map(
					({ group, since: begin, by }) => html`<li key=${group}>
						<p class="what"><strong>${group}</strong>, for ${since(begin)}, by ${by}</p>
						<p class="actions"><button type="button" class="primary" onClick=${() => resume(group)}>Go on</button></p>
					</li>`,
				)}
			<//>
		</div>
	</section>`;
}

/** @param {import('./overview.js').Watched} endpoint */
function endpointNote({ status, failed }) {
	const [last] = failed;
	const parts = [
		status === 'disabled' ? 'disabled' : '',
		failed.length > 0 ? `${plural(failed.length, 'delivery', 'deliveries')} failed` : '',
		last === undefined ? '' : `${last.error ?? `status ${last.responseStatus}`}`,
	];
	return parts.filter((part) => part !== '').join(', ');
}

/** @param {{ title: string, count: number, children?: unknown }} props */
function Group({ title, count, children }) {
	if (count === 0) return null;
	return html`<section class="group">
		<h3>${title} <span class="count">${count.toLocaleString()}</span></h3>
		<ul>
			${children}
		</ul>
	</section>`;
}
