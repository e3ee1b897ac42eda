/** Test projects. Units and simulations share the cores; real peers and real browsers run one file at a time. */
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

const oneAtATime = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000, teardownTimeout: 30_000 }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['tests/{protocols,node,sim,contracts,checks,setup}/**/*.test.ts'],
          setupFiles: ['tests/seed.ts'],
          testTimeout: 120_000
        }
      },
      {
        plugins: [svelte({ configFile: false })],
        resolve: { conditions: ['browser'] },
        test: { name: 'ui', include: ['tests/ui/**/*.test.ts'], setupFiles: ['tests/seed.ts'] }
      },
      { test: { name: 'mesh', include: ['tests/mesh/**/*.test.ts'], ...oneAtATime } },
      { test: { name: 'browser', include: ['tests/browser/**/*.test.ts'], ...oneAtATime } }
    ]
  }
})
