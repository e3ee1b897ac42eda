/** `node tests/checks/main.ts imports`: runs one static check on this tree, prints what it found, ends with 1 if anything. */
import { join } from 'node:path'
import type { Finding } from './source.ts'

const [name = ''] = process.argv.slice(2)
const root = join(import.meta.dirname, '..', '..')
const CHECKS: Record<string, () => Promise<Finding[]>> = {
  imports: async () => (await import('./imports.ts')).checkImports(root),
  purity: async () => (await import('./purity.ts')).checkPurity(root),
  access: async () => (await import('./access.ts')).checkAccess(root),
  metrics: async () => (await import('./metrics.ts')).checkMetrics(root)
}

const check = CHECKS[name]
if (check === undefined) {
  console.error(`"${name}" is no check; the checks are ${Object.keys(CHECKS).join(', ')}`)
  process.exit(2)
}
const findings = await check()
for (const { file, line, text } of findings) console.log(`${file}:${line}: ${text}`)
if (findings.length > 0) process.exitCode = 1
