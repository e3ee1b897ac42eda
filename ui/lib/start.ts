/** What the form of a new session means: checked field by field, with the PCs' own limits, into what the peer is asked. Pure. */
import type { NodeView } from '../../node/http/views.ts'
import { needsShell, parseCommand, parseMemory } from './command-line.ts'
import { digits, memory } from './units.ts'

export interface Form {
  command: string
  shell: boolean
  terminal: boolean
  /** Name of a PC; '' for wherever there is room. */
  node: string
  cores: string
  memory: string
  restart: string
  mode: string
  /** How many times it runs, each with a number of its own; more than once is an array. */
  tasks: string
  /** 0 goes first, 4 last. */
  priority: string
  /** Makes a repeat of the same order the same session. */
  key: string
}

export function emptyForm(): Form {
  return {
    command: '',
    shell: false,
    terminal: false,
    node: '',
    cores: '1',
    memory: '256 MiB',
    restart: 'no',
    mode: 'available',
    tasks: '1',
    priority: '2',
    key: ''
  }
}

export interface Order {
  app_uri: string
  args: string[]
  cpu_cores: number
  ram_bytes: number
  restart: string
  mode: string
  priority: number
  kind?: 'array'
  array?: number
  constraints: { on?: string }
  terminal?: { columns: number; rows: number; required: true }
  env?: Record<string, string>
}
export interface Checked {
  order: Order | null
  problems: Partial<Record<'command' | 'cores' | 'memory' | 'node' | 'tasks', string>>
  /** Good to know; stops nothing. */
  notes: string[]
  /** How the command was understood. */
  reading: string
}

const CORES_MAX = 4096
const COMMAND_MAX = 4_000
const TASKS_MAX = 1_000_000
/** Until the page of the session says how much fits. */
const TERMINAL = { columns: 80, rows: 24, required: true } as const

export function check(form: Form, nodes: readonly NodeView[]): Checked {
  const problems: Checked['problems'] = {}
  const notes: string[] = []
  const line = form.command.trim()
  const parsed = parseCommand(line)
  if (line === '') problems.command = 'Type the program to run, as in a terminal.'
  else if (line.length > COMMAND_MAX)
    problems.command = `The command has ${line.length} characters; at most ${COMMAND_MAX} fit. Put it in a script.`
  else if (!form.shell && !parsed.ok) problems.command = parsed.reason
  const sign = form.shell ? null : needsShell(line)
  if (sign)
    notes.push(`The line has ${sign}, which only a shell understands. As it is, the program gets it as plain text.`)

  const cores = Number(form.cores.trim().replace(',', '.'))
  if (form.cores.trim() === '' || !(cores >= 0.01 && cores <= CORES_MAX))
    problems.cores = `Cores are a number from 0.01 to ${CORES_MAX}.`
  const bytes = parseMemory(form.memory)
  if (bytes === null) problems.memory = 'Memory is a number with a unit, for example 512 MiB or 2 GiB.'

  const tasks = Number(form.tasks.trim())
  if (!(Number.isInteger(tasks) && tasks >= 1 && tasks <= TASKS_MAX))
    problems.tasks = 'A whole number from 1 to 1,000,000.'
  else if (tasks > 1 && form.terminal) problems.tasks = 'One in a terminal runs once: it is for a person to type into.'
  else if (tasks > 1 && form.mode === 'strict')
    problems.tasks = 'Several runs are never strict: one whose PC is lost runs again.'

  const chosen = nodes.find((node) => node.name === form.node || node.peerId === form.node)
  if (form.node !== '' && !chosen) problems.node = `No PC is called ${form.node} any more. Choose another.`
  else if (chosen && chosen.state !== 'alive')
    notes.push(`${chosen.name} does not answer now: the session waits for it.`)
  else if (chosen?.offer?.paused) notes.push(`${chosen.name} is paused: the session waits until it is resumed.`)
  if (!problems.cores && bytes !== null) notes.push(...room(chosen ? [chosen] : nodes, cores * 1000, bytes))

  const ok = Object.keys(problems).length === 0 && bytes !== null
  return {
    order: ok ? orderOf(form, line, cores, bytes, tasks) : null,
    problems,
    notes,
    reading: readingOf(form, line, parsed)
  }
}

function orderOf(form: Form, line: string, cores: number, bytes: number, tasks: number): Order {
  const parsed = parseCommand(line)
  const what =
    form.shell || !parsed.ok
      ? { app_uri: `shell:${line}`, args: [] }
      : { app_uri: `exec:${parsed.program}`, args: parsed.args }
  return {
    ...what,
    cpu_cores: cores,
    ram_bytes: bytes,
    restart: form.restart,
    mode: form.mode,
    priority: Number(form.priority),
    ...(tasks > 1 ? { kind: 'array', array: tasks } : {}),
    ...(form.terminal ? { terminal: TERMINAL, env: { TERM: 'xterm-256color', COLORTERM: 'truecolor' } } : {}),
    constraints: form.node ? { on: form.node } : {}
  }
}

function readingOf(form: Form, line: string, parsed: ReturnType<typeof parseCommand>): string {
  if (line === '') return ''
  if (form.shell) return 'The shell of the PC reads the whole line.'
  if (!parsed.ok) return ''
  const n = parsed.args.length
  return n
    ? `Runs ${parsed.program} with ${n === 1 ? 'one argument' : `${n} arguments`}: ${parsed.args.map((a) => `“${a}”`).join(' ')}`
    : `Runs ${parsed.program} without arguments.`
}

/** Said before it is asked: an order larger than any PC gives would wait for ever. */
function room(nodes: readonly NodeView[], cpuMilli: number, bytes: number): string[] {
  const giving = nodes.filter((node) => node.state === 'alive' && node.offer && !node.offer.paused)
  if (!giving.length) return []
  const most = (of: (node: NodeView) => number) => giving.reduce((a, b) => (of(b) > of(a) ? b : a))
  const widest = most((node) => node.offer?.cpuMilli ?? 0)
  const deepest = most((node) => node.offer?.memoryBytes ?? 0)
  const notes: string[] = []
  if (cpuMilli > (widest.offer?.cpuMilli ?? 0))
    notes.push(
      `No PC gives that many cores to one session: the most is ${digits((widest.offer?.cpuMilli ?? 0) / 1000)}, at ${widest.name}.`
    )
  if (bytes > (deepest.offer?.memoryBytes ?? 0))
    notes.push(
      `No PC gives that much memory to one session: the most is ${memory(deepest.offer?.memoryBytes ?? 0)}, at ${deepest.name}.`
    )
  return notes
}

/** A draft as it was kept; whatever is odd in it falls back to the empty form. */
export function readForm(text: string): Form {
  const empty = emptyForm()
  try {
    const kept = JSON.parse(text) as Record<string, unknown>
    const entries = Object.entries(empty).map(([name, value]) => [
      name,
      typeof kept[name] === typeof value ? kept[name] : value
    ])
    return Object.fromEntries(entries) as Form
  } catch {
    return empty
  }
}
