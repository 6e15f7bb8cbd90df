export { CURRENCIES, LIST_DATE, minorUnits, storedUnits } from './currencies.ts';
export type { Format } from './formats.ts';
export { addFormats, type Check, compile, type ObjectSchema, type Schema } from './json-schema.ts';
export { SchemaValidator } from './schema-validator.ts';
