/** The manifests of docs/kubernetes.md, as its readers would apply them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ROOT } from './process.ts';

interface Container {
	readonly name: string;
	readonly image: string;
	readonly command?: readonly string[];
	readonly env?: readonly { readonly name: string; readonly value: string }[];
	readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
	readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
	readonly readinessProbe?: Probe;
	readonly livenessProbe?: Probe;
	readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Probe {
	readonly httpGet: { readonly path: string; readonly port: string };
	readonly periodSeconds: number;
	readonly failureThreshold: number;
}

export interface PodSpec {
	readonly terminationGracePeriodSeconds?: number;
	readonly containers: readonly Container[];
	readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
}

export interface Manifest {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: { readonly name: string };
	readonly data?: Readonly<Record<string, string>>;
	readonly stringData?: Readonly<Record<string, string>>;
	/** what has data has none */
	readonly spec: {
		readonly maxUnavailable?: number;
		readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> };
		readonly strategy?: object;
		readonly template: {
			readonly metadata: { readonly labels: Readonly<Record<string, string>> };
			readonly spec: PodSpec;
		};
		readonly scaleTargetRef?: { readonly name: string };
		readonly triggers?: readonly { readonly type: string; readonly metadata: Readonly<Record<string, string>> }[];
	};
}

const page = readFileSync(join(ROOT, 'docs/kubernetes.md'), 'utf8');

const blocks = Array.from(page.matchAll(/^```yaml\n(.*?)^```$/gms), ([, text = '']) => text);

/** The services that share one block, by the loop of the page. */
const [, ALIKE = ''] = /^for name in ([\w -]+); do sed "s\/NAME\/\$name\/g"/m.exec(page) ?? [];

/** The texts of all manifests: each block as often as it is applied. */
export const manifestTexts: readonly string[] = blocks
	.filter((text) => text.includes('apiVersion:'))
	.flatMap((text) => (text.includes('NAME') ? ALIKE.split(' ').map((name) => text.replaceAll('NAME', name)) : [text]));

export const manifests: readonly Manifest[] = manifestTexts.flatMap((text) =>
	parseAllDocuments(text).map((document) => {
		if (document.errors.length > 0) throw document.errors[0];
		return document.toJS();
	}),
);

/** What the page gives to Prometheus. */
export const scrapeConfig = blocks.filter((text) => text.startsWith('scrape_configs:')).join('');
