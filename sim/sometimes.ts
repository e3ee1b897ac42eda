/**
 * Rare things that a large set of seeds must come to, each at least once; otherwise faults or checkers look past them. Read
 * from what peers tell: the stories of sessions, events, counters.
 */
import type { SimMesh } from './mesh.ts'
import type { RegisterLog, Turn } from './register-log.ts'

interface Telling {
  /** Why sessions took each step. */
  causes: readonly string[]
  events: readonly string[]
  states: ReadonlySet<string>
  counters: ReadonlySet<string>
  logs: readonly string[]
  /** Of the registers of strict sessions. */
  turns: ReadonlySet<string>
}

const said = (pattern: RegExp) => (telling: Telling) =>
  telling.causes.some((text) => pattern.test(text)) || telling.events.some((text) => pattern.test(text))
const turned = (turn: Turn) => (telling: Telling) => telling.turns.has(turn)
const stood = (state: string) => (telling: Telling) => telling.states.has(state)

/** Only where sessions are strict. */
export const STRICT = {
  'a strict session has another holder, its last one gone': turned('taken'),
  'the right to run lapses': turned('lapsed'),
  'the keepers of a register change': turned('reshaped'),
  'proposers of a register contend': turned('contended'),
  'an attempt at a register stays in doubt': turned('doubt')
} as const satisfies Record<string, (telling: Telling) => boolean>

export const SOMETIMES = {
  'a session is taken over': said(/is gone; taken over by/),
  'a second run is kept frozen': said(/is kept frozen here/),
  'a frozen run is adopted again': said(/^adopted again/),
  'a run ends while its peer is away': said(/ended while this peer was away|adopted at its end/),
  'a process is gone when its PC comes back': said(/its process was gone/),
  'a peer takes up what it owned before it was away': said(/this peer is back/),
  'a session waits for room': stood('pending'),
  'a session is stopped': stood('stopped'),
  'a session fails': stood('failed'),
  'a child is started again after its end': said(/^exit code 1/),
  'a session moves because its PC goes down': said(/is going down/),
  'a member comes back': said(/ is back$/),
  'a member says good-bye': said(/shut down$/),
  'a disk refuses a write': (telling) =>
    telling.counters.has('store_failed') || telling.logs.some((line) => line.includes('disk refused')),
  ...STRICT
} as const satisfies Record<string, (telling: Telling) => boolean>
export type Sometimes = keyof typeof SOMETIMES

export function reached(mesh: SimMesh, registers: RegisterLog): Sometimes[] {
  const telling = { ...listen(mesh), turns: registers.turns }
  return (Object.keys(SOMETIMES) as Sometimes[]).filter((name) => SOMETIMES[name](telling))
}

function listen(mesh: SimMesh): Omit<Telling, 'turns'> {
  const causes: string[] = []
  const states = new Set<string>()
  for (const { peer } of mesh.pcs) {
    for (const { history, state } of peer?.sessions.records.all.values() ?? []) {
      states.add(state)
      for (const step of history) {
        states.add(step.state)
        causes.push(step.cause)
      }
    }
  }
  return {
    causes,
    states,
    events: mesh.pcs.flatMap((pc) => pc.peer?.events.map((event) => event.text) ?? []),
    counters: new Set(mesh.pcs.flatMap((pc) => [...(pc.peer?.counters.keys() ?? [])])),
    logs: mesh.pcs.flatMap((pc) => pc.log)
  }
}
