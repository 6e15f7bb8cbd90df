import { type Duration, MINUTE, SECOND } from '../../domain/time.ts';
import { Loop } from '../runtime/index.ts';
import { defineMixin, type Mixin } from '../service.ts';
import { purge } from './retention.ts';

const LONGEST_PAUSE: Duration = MINUTE;

/** Deletes rows that are older than `RETENTION`. */
export const retention = (): Mixin<{ purging: Loop }> =>
	defineMixin<{ purging: Loop }>({
		created() {
			const { database, settings } = this.platform;
			this.purging = new Loop('purge', this.logger, async () => {
				const { more } = await purge(database, settings.retention);
				return more ? 0 : Math.max(SECOND, Math.min(settings.retention / 10, LONGEST_PAUSE));
			});
		},
		started() {
			this.purging.start();
		},
		async stopped() {
			await this.purging.stop();
		},
	});
