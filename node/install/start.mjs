/**
 * `npm start`: installs what is missing, builds what is stale, runs `omega up` with the arguments given after `--`. Needs
 * only a Node that can run npm.
 */
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'
import { ensureInstalled, runPinned } from './setup.mjs'

try {
  ensureInstalled()
  await build()
  runPinned(fileURLToPath(new URL('omega.js', import.meta.url)), ['up', ...process.argv.slice(2)])
} catch (error) {
  console.error(`omega: ${error.message}`)
  process.exitCode = 1
}
