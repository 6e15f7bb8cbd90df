export default {
	testEnvironment: 'node',
	extensionsToTreatAsEsm: ['.ts'],
	transform: {},
	testMatch: ['<rootDir>/tests/**/*.test.ts'],
	testTimeout: 60_000,
	maxWorkers: 2,
	coverageProvider: 'v8',
	modulePathIgnorePatterns: ['<rootDir>/.data', '<rootDir>/.brokers', '<rootDir>/.tools'],
};
