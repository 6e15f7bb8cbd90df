/** The gateway and the orders service alone, on one database: for a measure, so without the broker that parts need. */

import { startApplication } from '../bin/application.ts';
import { parseSettings } from '../mixins/settings/settings.ts';

const settings = parseSettings(process.env);
const application = await startApplication({ ...settings, services: ['gateway', 'orders'] });
process.once('SIGTERM', () => void application.stop().then(() => process.exit(0)));
await application.ready;
console.log(`listens on ${application.url};`);
