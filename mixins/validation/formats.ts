/** What the shapes of `json-schema.ts` cannot say by themselves: checks of texts, by the name of their `format`. */
import { idOfCursor, isUuid, sequenceOfCursor } from '../runtime/ids.ts';
import { CANCELLATION_WINDOW_RANGE, formatDuration, parseDuration } from '../settings/settings.ts';

export interface Format {
	readonly check: (text: string) => boolean;
	/** said of a text that fails */
	readonly complaint: string;
}

const { min, max } = CANCELLATION_WINDOW_RANGE;

function isWindow(text: string): boolean {
	const length = parseDuration(text);
	return length !== undefined && length >= min && length <= max;
}

const ANY = (): boolean => true;

export const FORMATS: Readonly<Record<string, Format>> = {
	uuid: { check: isUuid, complaint: 'Must be a UUID in lower case.' },
	'plain-text': { check: (text) => text.isWellFormed(), complaint: 'Must be well-formed Unicode.' },
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
	// Only of answers, whose times are not checked.
	'date-time': { check: ANY, complaint: '' },
	'uri-reference': { check: ANY, complaint: '' },
};
