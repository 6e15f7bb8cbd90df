/** A value that others can follow. */
import { useEffect, useReducer } from 'preact/hooks';

/**
 * @template T
 * @typedef {{ value: T, readonly follow: (listener: () => void) => () => void }} Cell
 */

/**
 * @template T
 * @param {T} first
 * @returns {Cell<T>}
 */
export function cell(first) {
	/** @type {Set<() => void>} */
	const listeners = new Set();
	let value = first;
	return {
		get value() {
			return value;
		},
		set value(next) {
			if (Object.is(next, value)) return;
			value = next;
			for (const listener of listeners) listener();
		},
		follow(listener) {
			listeners.add(listener);
			return () => listeners.delete(listener);
		},
	};
}

/**
 * The value, and a new drawing whenever it changes.
 * @template T
 * @param {Cell<T>} followed
 */
export function useCell(followed) {
	const [, draw] = useReducer((/** @type {number} */ count) => count + 1, 0);
	const seen = followed.value;
	useEffect(() => {
		if (followed.value !== seen) draw(undefined);
		return followed.follow(() => draw(undefined));
	}, [followed]);
	return seen;
}
