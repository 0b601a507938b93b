import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Most of the time is waiting, for processes to start and for leases to run out: two files at a time also on one core.
    maxWorkers: 2,
    projects: [
      // Some try thousands of strings: seconds on a quiet machine.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-postgres.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/global-postgres.ts'],
          // Whole stacks of processes, killed and started again.
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
