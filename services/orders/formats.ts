/** Forms of text that only orders have: cursors, and the length of a window. */
import { CANCELLATION_WINDOW_RANGE, formatDuration, parseDuration } from '../../mixins/settings/index.ts';
import type { Format } from '../../mixins/validation/index.ts';
import { idOfCursor, sequenceOfCursor } from './cursor.ts';

const { min, max } = CANCELLATION_WINDOW_RANGE;

function isWindow(text: string): boolean {
	const length = parseDuration(text);
	return length !== undefined && length >= min && length <= max;
}

export const ORDER_FORMATS: Readonly<Record<string, Format>> = {
	'cancellation-window': {
		check: isWindow,
		complaint: `Must be a duration such as 90s, 10m or 2h, from ${formatDuration(min)} to ${formatDuration(max)}.`,
	},
	cursor: {
		check: (text) => idOfCursor(text) !== undefined,
		complaint: 'Is not a cursor that a list has answered with.',
	},
	'history-cursor': {
		check: (text) => sequenceOfCursor(text) !== undefined,
		complaint: 'Is not a cursor that a history has answered with.',
	},
};
