/** What the keywords of `json-schema.ts` cannot say by themselves: checks of texts, by the name of their `format`. */
import { isUuid } from '../runtime/index.ts';

export interface Format {
	readonly check: (text: string) => boolean;
	/** said of a text that fails */
	readonly complaint: string;
}

const ANY = (): boolean => true;

export const FORMATS: Readonly<Record<string, Format>> = {
	uuid: { check: isUuid, complaint: 'Must be a UUID in lower case.' },
	'plain-text': { check: (text) => text.isWellFormed(), complaint: 'Must be well-formed Unicode.' },
	// Only in responses, whose times are not checked.
	'date-time': { check: ANY, complaint: '' },
	'uri-reference': { check: ANY, complaint: '' },
};
