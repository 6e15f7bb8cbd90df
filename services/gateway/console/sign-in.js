/** Asks for the token, where requests need one. */
import { useCell } from './cell.js';
import { Field } from './field.js';
import { html } from './html.js';
import { refusal, signIn } from './session.js';

/** @param {SubmitEvent} event */
function submit(event) {
	event.preventDefault();
	const data = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
	const token = String(data.get('token') ?? '')
		.trim()
		.replace(/^Bearer +/i, '');
	if (token === '') return;
	// What is no token cannot even be sent in a header.
	if (/^[\w.~+/-]+=*$/.test(token)) signIn(token);
	else refusal.value = 'This is not a token.';
}

export function SignIn() {
	const reason = useCell(refusal);
	return html`<section class="card sign-in" aria-labelledby="sign-in-title">
		<h2 id="sign-in-title">Who are you?</h2>
		<p>Orders belong to people. A token says whose you may see. It stays in this tab and is forgotten with it.</p>
		<form onSubmit=${submit} novalidate>
			<${Field} label="Access token">
				${(/** @type {object} */ ties) =>
					html`<input ...${ties} name="token" type="password" autocomplete="off" spellcheck=${false} autofocus />`}
			<//>
			<div role="alert">${reason !== null && html`<p class="trouble">${reason}</p>`}</div>
			<button type="submit" class="primary wide">Go on</button>
		</form>
	</section>`;
}
