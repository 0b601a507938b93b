import { defineConfig } from 'vitest/config'

// Half of the time is waiting, for leases to run out and for servers: three files at a time also on two cores.
const small = { maxWorkers: 3, sequence: { groupOrder: 0 } }

export default defineConfig({
  test: {
    projects: [
      // Some try thousands of strings: seconds on a quiet machine.
      {
        test: {
          ...small,
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // They share nothing that one could change, and need not load everything anew.
          isolate: false,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          ...small,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/global-postgres.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // Whole stacks of processes: two cores have enough to do with two of them.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/global-postgres.ts'],
          // They are killed, and started again.
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
