/** What is left of a window. One timer serves all that are in sight. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { serverNow } from './clock.js';
import { left } from './format.js';
import { html } from './html.js';

const EVERY = 200;

/** @type {Map<Element, { due: number, whole: number }>} */
const running = new Map();
let timer = 0;

function tick() {
	for (const [element, { due, whole }] of running) show(element, due - serverNow(), whole);
}

/** @param {Element} element @param {number} rest @param {number} whole both in ms */
function show(element, rest, whole) {
	const [digits, bar] = element.children;
	const text = left(rest);
	if (digits !== undefined && digits.textContent !== text) digits.textContent = text;
	const part = Math.min(1, Math.max(0, rest / whole));
	const scaled = `scaleX(${part.toFixed(3)})`;
	const fill = bar?.firstElementChild;
	if (fill instanceof HTMLElement && fill.style.transform !== scaled) fill.style.transform = scaled;
	element.classList.toggle('ending', rest < 60_000 && rest > 0);
}

/**
 * `due`: the moment that it counts down to; `whole`: the length of the window; both in ms. `stopped`: what was left when
 * it was stopped.
 * @param {{ due: number, whole: number, stopped?: number | undefined }} props
 */
export function Countdown({ due, whole, stopped }) {
	const place = useRef(/** @type {Element | null} */ (null));
	useLayoutEffect(() => {
		const element = place.current;
		if (element === null) return undefined;
		show(element, stopped ?? due - serverNow(), whole);
		if (stopped !== undefined) return undefined;
		running.set(element, { due, whole });
		if (running.size === 1) timer = window.setInterval(tick, EVERY);
		return () => {
			running.delete(element);
			if (running.size === 0) clearInterval(timer);
		};
	}, [due, whole, stopped]);
	return html`<div class="countdown ${stopped === undefined ? '' : 'stopped'}" ref=${place}>
		<span role="timer" class="digits"></span>
		<span class="gauge" aria-hidden="true"><span class="fill"></span></span>
	</div>`;
}
