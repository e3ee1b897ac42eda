/** `omega attach`: a person comes to a session that runs, from any PC and beside others who watch it. */
import type { NodeView, SessionView } from '../http/views.ts'
import { attachSession } from './attach-client.ts'
import type { Client } from './client.ts'
import { DETACH_KEYS, detachKeysInWords, parseDetachKeys } from './detach-keys.ts'
import { note, printJson } from './output.ts'
import { exitCode, noteDetached } from './run.ts'

export interface AttachFlags {
  detachKeys?: string
  json?: boolean
}

/** Resolves to the exit code of the program, 0 when the person leaves before. */
export async function attach(client: Client, id: string, flags: AttachFlags): Promise<number> {
  await client.active()
  const keys = flags.detachKeys ?? DETACH_KEYS
  const detachKeys = parseDetachKeys(keys)
  const found = await client.get<SessionView>(`/api/v1/sessions/${encodeURIComponent(id)}`)
  if (found.terminal)
    note(`${found.id.slice(0, 8)} ${await placeOf(client, found)}; ${detachKeysInWords(keys)} detaches`)
  const session = await attachSession(client, found.id, {
    stdin: found.tasks === null,
    ...(found.terminal ? { detachKeys, screen: true } : {}),
    onProgress: note
  })
  if (session === undefined) return noteDetached(found.id)
  if (flags.json === true) printJson(session)
  return exitCode(session)
}

async function placeOf(client: Client, { runner, state }: SessionView): Promise<string> {
  if (runner === null) return `is ${state}`
  const nodes = await client.get<NodeView[]>('/api/v1/nodes')
  return `is ${state} on ${nodes.find((node) => node.peerId === runner)?.name ?? runner.slice(-8)}`
}
