/** The console in a browser: its pages, and what a test is to notice on each of them. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import type { OrderDto } from '../../services/orders/order-dto.ts';
import { PATIENCE } from './until.ts';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Requests that are to fail are no complaints: a browser says so of each. */
const EXPECTED = /^Failed to load resource/;

interface Violation {
	readonly id: string;
	readonly impact: string;
	readonly nodes: readonly { readonly html: string }[];
}

export class ConsolePage {
	readonly page: Page;
	/** what the browser complained of: errors, and breaches of the policy */
	readonly complaints: string[] = [];
	/** the addresses that were asked */
	readonly requests: string[] = [];

	private constructor(page: Page) {
		this.page = page;
		page.setDefaultTimeout(PATIENCE);
		page.on('pageerror', (error) => this.complaints.push(error.stack ?? error.message));
		page.on('console', (message) => {
			if (message.type() !== 'error' && message.type() !== 'warning') return;
			if (!EXPECTED.test(message.text())) this.complaints.push(message.text());
		});
		page.on('request', (request) => this.requests.push(request.url()));
	}

	static async open(from: Browser | BrowserContext, url: string, width = 1440): Promise<ConsolePage> {
		const opened = new ConsolePage(await from.newPage());
		await opened.page.setViewportSize({ width, height: 900 });
		await opened.page.goto(url);
		return opened;
	}

	/** An order of the list. */
	order({ orderNumber }: Pick<OrderDto, 'orderNumber'>): Locator {
		return this.page.getByRole('article', { name: orderNumber });
	}

	/** A button of an order. */
	button(order: Pick<OrderDto, 'orderNumber'>, name: string): Locator {
		return this.order(order).getByRole('button', { name, exact: true });
	}

	/** Waits until it is said. */
	async says(role: 'status' | 'alert', text: string | RegExp): Promise<void> {
		await this.page.getByRole(role).filter({ hasText: text }).first().waitFor();
	}

	/** Waits until it does. */
	async hasFocus(element: Locator): Promise<void> {
		await element.and(this.page.locator(':focus')).waitFor();
	}

	/** What axe finds that keeps people out. */
	async barriers(): Promise<string[]> {
		await this.page.evaluate(await readFile(AXE, 'utf8'));
		const found = await this.page.evaluate<Violation[]>('axe.run().then(({ violations }) => violations)');
		return found
			.filter(({ impact }) => impact === 'serious' || impact === 'critical')
			.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
	}
}

/** Creates an order over HTTP. */
export async function createOrder(
	url: string | undefined,
	fields: Readonly<Record<string, string | number>> = {},
	token?: string,
): Promise<OrderDto> {
	const headers = {
		'content-type': 'application/json',
		...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
	};
	const body = JSON.stringify({ productName: 'A pound of tea', amount: 19.9, ...fields });
	const response = await fetch(`${url}/orders`, { method: 'POST', headers, body });
	if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
	return (await response.json()) as OrderDto;
}
