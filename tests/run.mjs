/**
 * `npm test`: everything, or a part (`npm test -- unit`, `npm test -- mesh two-peers`). Plain JavaScript for whatever Node
 * npm runs on: installs what is missing, then goes on in setup/main.ts on the pinned runtime.
 */
import { fileURLToPath } from 'node:url'
import { ensureInstalled, runPinned } from '../node/install/setup.mjs'

try {
  ensureInstalled()
  runPinned(fileURLToPath(new URL('setup/main.ts', import.meta.url)), process.argv.slice(2))
} catch (error) {
  console.error(`tests: ${error.message}`)
  process.exitCode = 1
}
