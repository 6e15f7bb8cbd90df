/** `npm run alerts`: makes rules.yml from docs/operations.md, "Alerts". An argument is the address of that page. */
import { readFileSync, writeFileSync } from 'node:fs';
import { alertsOf, rulesOf } from './alerts.ts';

const file = (path: string): URL => new URL(path, import.meta.url);

const [page] = process.argv.slice(2);
writeFileSync(file('rules.yml'), rulesOf(alertsOf(readFileSync(file('../../docs/operations.md'), 'utf8')), page));
