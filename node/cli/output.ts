/** What a command prints: one JSON document with --json, else lines for a person. */
import { styleText } from 'node:util'
import type { NodeView, Reading, SessionView } from '../http/views.ts'

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One line on stderr, so that stdout stays what the program wrote. */
export function note(line: string): void {
  process.stderr.write(`${dim(`omega: ${line}`, process.stderr)}\n`)
}

export function fail(message: string): void {
  process.stderr.write(`${colour('red', 'omega:', process.stderr)} ${message}\n`)
}

/** Columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === cells.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  ')
  print(dim(line(head), process.stdout))
  for (const row of rows) print(line(row))
}

export function dim(text: string, stream: NodeJS.WriteStream): string {
  return colour('dim', text, stream)
}

function colour(style: 'dim' | 'red', text: string, stream: NodeJS.WriteStream): string {
  return styleText(style, text, { stream, validateStream: true })
}

export function nodeRow(node: NodeView, now: number): string[] {
  const seen = node.lastSeenMs === null ? 'not heard yet' : ago(now - node.lastSeenMs)
  return [
    node.self ? `${node.name} (here)` : node.name,
    node.offer?.paused === true ? 'paused' : node.witness && node.state === 'alive' ? 'witness' : node.state,
    reading(node.cpu, (share) => `${Math.round(share * 100)} %`),
    reading(node.cores, String),
    'value' in node.memoryUsedBytes && 'value' in node.memoryBytes
      ? `${gib(node.memoryUsedBytes.value)}/${gib(node.memoryBytes.value)} GiB`
      : '-',
    reading(node.diskFreeBytes, (bytes) => `${gib(bytes)} GiB`),
    node.self ? '-' : reading(node.rttMs, (ms) => `${ms.toFixed(1)} ms`),
    node.self ? 'now' : seen,
    node.state === 'alive' ? node.usedBy || node.addresses[0] || '' : node.reason
  ]
}

export function sessionRow(session: SessionView, names: Map<string, string>, now: number): string[] {
  const exit =
    session.exit === null ? '' : session.exit.signal === null ? ` (${session.exit.code})` : ` (${session.exit.signal})`
  return [
    session.id.slice(0, 8),
    session.tasks === null ? session.state + exit : `${session.state} ${tasksIn(session.tasks)}`,
    session.tasks !== null
      ? `${session.tasks.running} tasks`
      : session.runner === null
        ? '-'
        : (names.get(session.runner) ?? session.runner.slice(-8)),
    ago(now - session.createdAt),
    session.user,
    session.command.slice(0, 60)
  ]
}

/** Like `997/1000, 3 failed`. */
function tasksIn({ total, done, failed }: NonNullable<SessionView['tasks']>): string {
  return `${done}/${total}${failed === 0 ? '' : `, ${failed} failed`}`
}

export function ago(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.round(s / 60)} min`
  if (s < 86_400) return `${Math.round(s / 3600)} h`
  return `${Math.round(s / 86_400)} d`
}

export const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1)

function reading<T>(value: Reading<T>, format: (value: T) => string): string {
  return 'value' in value ? format(value.value) : '-'
}
