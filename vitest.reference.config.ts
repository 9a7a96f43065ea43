import { defineConfig } from 'vitest/config';

/** Checks against real weights and data; YOLO_REFERENCE names the folder that holds them (see README). */
export default defineConfig({
  test: {
    globalSetup: ['test/helpers/fresh-build.ts'],
    include: ['test/reference/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 1_800_000,
    hookTimeout: 600_000,
  },
});
