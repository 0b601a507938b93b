import { defineConfig } from 'vitest/config'

/** Much of the time is waiting, for processes to start and for leases to run out: two files at a time also on one core. More disturb each other. */
const both = { maxWorkers: 2, sequence: { groupOrder: 1 } }

export default defineConfig({
  test: {
    projects: [
      // Some try thousands of strings: seconds on a quiet machine.
      {
        test: {
          name: 'unit',
          sequence: { groupOrder: 0 },
          include: ['test/unit/**/*.test.ts'],
          // They share nothing that one could change, and need not load everything anew.
          isolate: false,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          ...both,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-postgres.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...both,
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
