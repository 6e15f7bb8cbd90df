/** The list of orders: only the pieces in sight are drawn, and pages are read as one scrolls. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useCell } from './cell.js';
import { html, memo } from './html.js';
import { OrderFilter } from './order-filter.js';
import { OrderRow } from './order-row.js';
import { changesOf, listed, listing, more, orderOf, pieces } from './orders.js';
import { session } from './session.js';

/** So far beyond what is in sight pieces are drawn, and pages are read. */
const MARGIN = '1200px 0px';
/** Until the first piece was drawn. */
const USUAL_HEIGHT = 84;

let rowHeight = USUAL_HEIGHT;

/** @type {WeakMap<Element, (isNear: boolean) => void>} */
const watched = new WeakMap();
const observer = new IntersectionObserver(
	(entries) => {
		for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
	},
	{ rootMargin: MARGIN },
);

/**
 * Tells when the element comes near to what is in sight, and when it leaves.
 * @param {Element} element
 * @param {(isNear: boolean) => void} listener
 */
function watch(element, listener) {
	watched.set(element, listener);
	observer.observe(element);
	return () => {
		observer.unobserve(element);
		watched.delete(element);
	};
}

/** @param {{ chunk: import('./chunks.js').Chunk, before: number, total: number, isAdmin: boolean, isFirst: boolean }} props */
function drawPiece({ chunk, before, total, isAdmin, isFirst }) {
	useCell(changesOf(chunk.key));
	const place = useRef(/** @type {HTMLElement | null} */ (null));
	const [isNear, setNear] = useState(isFirst);
	useLayoutEffect(() => {
		const element = place.current;
		if (element === null) return undefined;
		return watch(element, (near) => setNear(near || element.contains(document.activeElement)));
	}, []);
	useLayoutEffect(() => {
		const height = isNear ? (place.current?.offsetHeight ?? 0) : 0;
		if (height > 0) rowHeight = height / chunk.ids.length;
	});
	if (!isNear) {
		return html`<div class="piece" ref=${place} style=${{ height: `${rowHeight * chunk.ids.length}px` }}></div>`;
	}
	return html`<div class="piece" ref=${place} style=${{ height: 'auto' }}>
		${chunk.ids.map((id, index) => {
			const order = orderOf(id);
			const position = before + index + 1;
			return (
				order && html`<${OrderRow} key=${id} order=${order} position=${position} total=${total} isAdmin=${isAdmin} />`
			);
		})}
	</div>`;
}

const Piece = memo(drawPiece);

export function OrderList() {
	const chunks = useCell(pieces);
	const count = useCell(listed);
	const { state, only } = useCell(listing);
	const { isAdmin } = useCell(session);
	const total = state === 'complete' ? count : -1;
	let before = 0;
	return html`<section class="orders" aria-labelledby="orders-title">
		<header class="title">
			<h2 id="orders-title">Orders</h2>
			<${OrderFilter} />
		</header>
		${
			count > 0 &&
			html`<div role="feed" class="list" aria-labelledby="orders-title" aria-busy=${state === 'loading'}>
				${chunks.map((chunk, index) => {
					const passed = before;
					before += chunk.ids.length;
					const props = { chunk, total, isAdmin, isFirst: index < 2, before: passed };
					return html`<${Piece} key=${chunk.key} ...${props} />`;
				})}
			</div>`
		}
		${count === 0 && state !== 'loading' && html`<${Nothing} isSearch=${only !== null} hasFailed=${state === 'failed'} />`}
		<${End} state=${state} count=${count} />
	</section>`;
}

/** @param {{ isSearch: boolean, hasFailed: boolean }} props */
function Nothing({ isSearch, hasFailed }) {
	const text = isSearch
		? 'There is no such order, or it belongs to somebody else.'
		: hasFailed
			? 'The orders could not be read yet.'
			: 'No orders yet. The first one appears here as soon as it is created.';
	return html`<p class="nothing">${text}</p>`;
}

const CUT = 'Older orders are found by their number.';

/** Reads the next page when it comes near to what is in sight. @param {{ state: string, count: number }} props */
function End({ state, count }) {
	const place = useRef(/** @type {HTMLElement | null} */ (null));
	const [isNear, setNear] = useState(false);
	useEffect(() => (place.current === null ? undefined : watch(place.current, setNear)), []);
	useEffect(() => {
		if (isNear && state === 'more') more().catch(() => {});
	}, [isNear, state, count]);
	const text =
		state === 'loading'
			? 'Reading orders…'
			: state === 'complete' && count > 20
				? 'These are all orders.'
				: state === 'cut'
					? CUT
					: '';
	return html`<div class="end" ref=${place}>
		${text}
		${
			state === 'failed' &&
			count > 0 &&
			html`The next orders could not be read.
				<button type="button" onClick=${() => more().catch(() => {})}>Read them again</button>`
		}
	</div>`;
}
