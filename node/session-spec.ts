/** What a door was asked to run, as the session that the mesh is asked for. */
import { MeshError } from '../protocols/errors.ts'
import { LAUNCHERS } from '../protocols/ports.ts'
import { DISPLAY_USUAL, partsOfUri } from '../protocols/session/index.ts'
import type { SessionSpec, SpecInput } from '../protocols/session/index.ts'
import type { Principal } from './http/api.ts'

/** The session that was asked for; throws BAD_REQUEST or DENIED in words for the one who asked. */
export function specOf(input: SpecInput, who: Principal): Mutable<SessionSpec> {
  const { scheme } = partsOfUri(input.app_uri)
  if (!LAUNCHERS.some((launcher) => launcher === scheme)) {
    throw new MeshError(
      'BAD_REQUEST',
      `"${input.app_uri.slice(0, 60)}" names no launcher; there are exec: (a program), shell: (a command line) and app: (an installed application)`
    )
  }
  const display = input.display ?? (scheme === 'app' ? DISPLAY_USUAL : undefined)
  if (input.gpu_units > 0) throw new MeshError('BAD_REQUEST', 'gpu_units: GPUs cannot be granted yet; leave it out')
  if (input.user_id !== undefined && input.user_id !== who.name && who.role !== 'admin') {
    throw new MeshError('DENIED', `${who.name} cannot start sessions for ${input.user_id}`)
  }
  mustFitArray(input)
  if (display !== undefined) mustFitDisplay(input)
  const { constraints } = input
  return {
    appUri: input.app_uri,
    args: input.args,
    env: input.env,
    cwd: input.cwd,
    user: input.user_id ?? who.name,
    cpuMilli: Math.round(input.cpu_cores * 1000),
    memoryBytes: input.ram_bytes,
    labels: constraints.labels,
    ...(constraints.on === undefined ? {} : { on: constraints.on }),
    ...(constraints.not_on === undefined ? {} : { notOn: constraints.not_on }),
    restart: input.restart,
    ...(input.mode === 'strict' ? { mode: input.mode } : {}),
    ...(input.priority === 2 ? {} : { class: input.priority }),
    ...(input.array === undefined ? {} : { array: input.array }),
    stdin: input.stdin || input.terminal !== undefined,
    ...(input.terminal === undefined ? {} : { terminal: input.terminal }),
    ...(display === undefined ? {} : { display }),
    ...(input.inputs === undefined ? {} : { input: input.inputs })
  }
}

function mustFitDisplay({ array, terminal }: SpecInput): void {
  if (array !== undefined)
    throw new MeshError('BAD_REQUEST', 'array: the tasks of an array have no windows; run each by itself to see them')
  if (terminal !== undefined)
    throw new MeshError('BAD_REQUEST', 'terminal: a session has a terminal or windows, not both')
}

function mustFitArray({ kind, array, mode, stdin, terminal }: SpecInput): void {
  if (array === undefined && kind === 'array')
    throw new MeshError('BAD_REQUEST', 'array: an array says how many tasks it has, from 1 to 1000000')
  if (array !== undefined && mode === 'strict')
    throw new MeshError('BAD_REQUEST', 'mode: an array is never strict, because a task whose PC is lost runs again')
  if (array !== undefined && terminal !== undefined)
    throw new MeshError('BAD_REQUEST', 'terminal: the tasks of an array have none; run each by itself to see it in one')
  if (array !== undefined && stdin) throw new MeshError('BAD_REQUEST', 'stdin: the tasks of an array take no input')
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
