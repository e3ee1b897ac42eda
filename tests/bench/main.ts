/**
 * `node tests/bench/main.ts [--quick] [name …]`: runs the bench scripts one after the other, each in a process of its own, and
 * prints one JSON object. Ends with 1 when a script broke down; never because of a time.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

const SCRIPTS = [
  'decide',
  'place',
  'run',
  'throughput',
  'idle',
  'gossip',
  'join',
  'failover',
  'detection',
  'scale',
  'sim',
  'pair'
]

const words = process.argv.slice(2)
const names = words.filter((word) => word !== '--quick')
const unknown = names.filter((name) => !SCRIPTS.includes(name))
if (unknown.length > 0) {
  console.error(`bench: there is no "${unknown.join('", "')}"; there are ${SCRIPTS.join(', ')} and --quick`)
  process.exit(2)
}

const benches: Record<string, unknown> = {}
for (const name of names.length > 0 ? names : SCRIPTS) {
  console.error(`bench: ${name}`)
  benches[name] = await runScript(name, words.includes('--quick'))
}
console.log(JSON.stringify({ benches }, null, 2))

async function runScript(name: string, quick: boolean): Promise<unknown> {
  const script = join(import.meta.dirname, `${name}.ts`)
  const child = spawn(process.execPath, [script, ...(quick ? ['--quick'] : [])], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const pass = () => void child.kill('SIGTERM')
  process.once('SIGTERM', pass)
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  process.off('SIGTERM', pass)
  try {
    if (code === 0) return JSON.parse(text)
  } catch {
    // Said below, with what it printed.
  }
  process.exitCode = 1
  return { error: `${name} ended with ${code}; its messages are on stderr`, printed: text.slice(-2000) }
}
