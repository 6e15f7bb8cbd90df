/** The page. */
import { options, render } from 'preact';
import { useEffect } from 'preact/hooks';
import { LowerAmount, Refund } from './amount-dialogs.js';
import { useCell } from './cell.js';
import { dialog } from './dialog.js';
import { History } from './history.js';
import { html } from './html.js';
import { connect, connection } from './live.js';
import { Messages } from './messages.js';
import { NeedsAPerson } from './needs-a-person.js';
import { NewOrder } from './new-order.js';
import { OrderList } from './order-list.js';
import { cellOf, forget, more } from './orders.js';
import { watchOverview } from './overview.js';
import { Resolve } from './resolve.js';
import { needsToken, session, signOut } from './session.js';
import { settings } from './settings.js';
import { SignIn } from './sign-in.js';
import { System } from './system.js';

/** However much is heard at once, it is drawn once for each frame. */
options.debounceRendering = (draw) => {
	requestAnimationFrame(draw);
};

function Page() {
	const { token, subject, isAdmin } = useCell(session);
	useEffect(() => {
		dialog.value = null;
		forget();
		if (!needsToken()) more().catch(() => {}); // the list says it, and `connect` tries again
		connect();
		return isAdmin ? watchOverview() : undefined;
	}, [token]);
	return html`
		<header class="bar">
			<p class="brand"><${Logo} /><span>Protected Payment</span></p>
			${!needsToken() && html`<${State} />`}
			<p class="who">
				${subject !== null && html`<span class="subject">${subject}</span>`}
				${settings.auth && token !== null && html`<button type="button" onClick=${() => signOut()}>Sign out</button>`}
			</p>
		</header>
		${!needsToken() && html`<${Lost} />`}
		<main>
			<h1 class="visually-hidden">Orders and their payments</h1>
			${
				needsToken()
					? html`<${SignIn} />`
					: html`
							${isAdmin && html`<${NeedsAPerson} />`}
							<div class="columns">
								<${NewOrder} />
								<${OrderList} />
								${isAdmin && html`<${System} />`}
							</div>
						`
			}
		</main>
		<${Messages} />
		<${OpenDialog} />
	`;
}

const Logo = () => html`<svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
	<path class="shield" d="M16 2 4 6.5V15c0 7.2 5 12.8 12 15 7-2.2 12-7.8 12-15V6.5z" />
	<path class="hands" d="M16 9.5V16l4 3" />
</svg>`;

const STATES = { connecting: 'Connecting', live: 'Live', polling: 'Live, every 2 s', lost: '' };

function State() {
	const state = useCell(connection);
	return html`<p class="connection" data-state=${state}>${STATES[state]}</p>`;
}

/** The region is there before it says something, so that screen readers hear of it. */
function Lost() {
	const isLost = useCell(connection) === 'lost';
	return html`<div role="status" class="lost">
		${isLost && html`<p><strong>Connection lost</strong> What you see may be old. It comes back by itself.</p>`}
	</div>`;
}

function OpenDialog() {
	const open = useCell(dialog);
	if (open === null) return null;
	if (open.kind === 'resolve') return html`<${Resolve} key=${open.payment.orderId} payment=${open.payment} />`;
	return html`<${OfOrder} key=${`${open.kind} ${open.orderId}`} kind=${open.kind} id=${open.orderId} />`;
}

const KINDS = { lower: LowerAmount, refund: Refund, history: History };

/** @param {{ kind: keyof typeof KINDS, id: string }} props */
function OfOrder({ kind, id }) {
	const order = useCell(cellOf(id));
	return order === undefined ? null : html`<${KINDS[kind]} order=${order} />`;
}

const root = document.createElement('div');
root.id = 'console';
document.body.append(root);
render(html`<${Page} />`, root);
