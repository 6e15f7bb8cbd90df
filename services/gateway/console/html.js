/** Markup as tagged templates, so that no build step is needed. */
import htm from 'htm';
import { Component, h } from 'preact';

/** @typedef {import('preact').VNode} Node */

/** @type {(strings: TemplateStringsArray, ...values: unknown[]) => import('preact').ComponentChildren & Node} */
export const html = /** @type {never} */ (htm.bind(h));

/**
 * A component that is drawn again only when one of its properties is another one.
 * @template {object} P
 * @param {(props: P) => import('preact').ComponentChildren} draw
 * @returns {new (props: P) => Component<P>}
 */
export const memo = (draw) =>
	class extends Component {
		/**
		 * @override
		 * @param {Readonly<P>} next
		 */
		shouldComponentUpdate(next) {
			const names = /** @type {(keyof P)[]} */ (Object.keys({ ...this.props, ...next }));
			return names.some((name) => next[name] !== this.props[name]);
		}

		/** @override */
		render() {
			return h(/** @type {import('preact').FunctionComponent<P>} */ (draw), /** @type {P} */ (this.props));
		}
	};
