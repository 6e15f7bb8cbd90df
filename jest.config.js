export default {
	testEnvironment: 'node',
	extensionsToTreatAsEsm: ['.ts'],
	transform: {},
	testMatch: ['<rootDir>/tests/**/*.test.ts'],
	testTimeout: 60_000,
	// The slow files mostly wait.
	maxWorkers: 3,
	testSequencer: '<rootDir>/tests/sequencer.ts',
	coverageProvider: 'v8',
	modulePathIgnorePatterns: ['<rootDir>/.data', '<rootDir>/.brokers', '<rootDir>/.tools'],
};
