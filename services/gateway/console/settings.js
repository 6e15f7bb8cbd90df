/** What the gateway has written into the page. */

/** @type {{ readonly auth: boolean, readonly provider: string, readonly currency: string, readonly window: string }} */
export const settings = JSON.parse(document.body.dataset.settings ?? '{}');

/** Where the API is, below whatever path a proxy adds; it ends in a slash. */
export const ROOT = new URL('../../', import.meta.url).href;
