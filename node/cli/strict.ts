/** What strict sessions need of a person: who decides while two PCs keep them, and the word that a PC is off. */
import { createInterface } from 'node:readline/promises'
import { MeshError } from '../../protocols/errors.ts'
import type { NodeView, SessionView, TieView } from '../http/views.ts'
import type { Client } from './client.ts'
import { note, print, printJson } from './output.ts'

interface Json {
  json?: boolean
}
type NameOf = (peer: string) => string

export async function tie(
  client: Client,
  rule: string | undefined,
  anchor: string | undefined,
  flags: Json
): Promise<number> {
  await client.active()
  const body = { rule, ...(anchor === undefined ? {} : { anchor }) }
  const found =
    rule === undefined ? await client.get<TieView>('/api/v1/tie') : await client.put<TieView>('/api/v1/tie', body)
  if (flags.json === true) {
    printJson(found)
    return 0
  }
  const name = await names(client)
  print(`${found.rule}${found.anchor === null ? '' : ` ${name(found.anchor)}`}  ${meaning(found, name)}`)
  if (found.witnesses.length > 0)
    print(`${found.witnesses.map(name).join(', ')} votes as a witness, so with two other PCs the rule is not needed`)
  else note('a third PC, started with `omega up --witness`, makes the rule unnecessary: then either of the two may go')
  return 0
}

function meaning({ rule, anchor }: TieView, name: NameOf): string {
  if (rule === 'both') return 'with two PCs, strict sessions run only while both are there'
  if (rule === 'anchor')
    return `with two PCs, ${name(anchor ?? '')} takes strict sessions over by itself, and none runs without it`
  return 'with two PCs, a strict session needs only the one that runs it; when that is off, a person decides (omega takeover)'
}

export async function takeover(client: Client, id: string, flags: Json & { yes?: boolean }): Promise<number> {
  await client.active()
  const path = `/api/v1/sessions/${encodeURIComponent(id)}`
  const session = await client.get<SessionView>(path)
  const awaited = session.strict?.awaits ?? []
  // Without any, the peer says why nothing is to be taken over.
  if (flags.yes !== true && awaited.length > 0) await mustBeOff(awaited.map(await names(client)), session)
  const taken = await client.post<SessionView>(`${path}/takeover`)
  if (flags.json === true) printJson(taken)
  else print(`${taken.id.slice(0, 8)} is taken over here; it is ${taken.state}`)
  return 0
}

async function mustBeOff(awaited: readonly string[], session: SessionView): Promise<void> {
  const who = awaited.join(' and ')
  const [is, run] = awaited.length === 1 ? ['is', 'runs'] : ['are', 'run']
  if (!process.stdin.isTTY)
    throw new MeshError(
      'BAD_REQUEST',
      `${who}: only you can tell whether ${awaited.length === 1 ? 'it is' : 'they are'} off; say so with --yes`
    )
  note(`${session.command}: it starts again from its beginning.`)
  note(`If ${who} still ${run} it, it runs twice until the PCs hear of each other; then the older run is kept frozen.`)
  const line = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await line.question(`${is === 'is' ? 'Is' : 'Are'} ${who} off? Type yes to take over: `)
  line.close()
  if (answer.trim().toLowerCase() !== 'yes') throw new MeshError('BAD_REQUEST', 'nothing was taken over')
}

/** Of `omega show`. */
export function strictLines(session: SessionView, name: NameOf): string[] {
  const { strict } = session
  if (strict === null) return []
  const lines = [`votes     ${strict.voters.map(name).join(', ') || 'not known yet'}`]
  if (strict.lease === null) lines.push('right     nobody who knows can be asked now')
  else lines.push(`right     ${rightInWords(strict.lease, name)}`)
  if (strict.takenOver !== null)
    lines.push(
      `word      taken over by ${strict.takenOver.by} at ${name(strict.takenOver.at)}, ${new Date(strict.takenOver.when).toISOString()}`
    )
  if (strict.awaits.length > 0) lines.push(`waits     ${awaitsInWords(session, name)}`)
  return lines
}

function rightInWords(
  { holder, endsInMs, ageMs, from }: NonNullable<NonNullable<SessionView['strict']>['lease']>,
  name: NameOf
): string {
  const said = `as ${name(from)} says`
  if (holder === null) return `nobody has it, ${said}`
  if (endsInMs === 0) return `nobody: ${name(holder)} renewed it last ${seconds(ageMs)} ago, ${said}`
  return `${name(holder)} for ${holder === from ? '' : 'at most '}${seconds(endsInMs)} more, renewed ${seconds(ageMs)} ago, ${said}`
}

/** One line for whoever lists it. */
export function awaitsInWords({ id, strict }: SessionView, name: NameOf): string {
  const awaited = (strict?.awaits ?? []).map(name)
  return `${awaited.length === 1 ? 'is' : 'are'} ${awaited.join(' and ')} off? Then \`omega takeover ${id.slice(0, 8)}\` runs it here`
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

async function names(client: Client): Promise<NameOf> {
  const known = new Map((await client.get<NodeView[]>('/api/v1/nodes')).map((one) => [one.peerId, one.name]))
  return (peer) => known.get(peer) ?? peer.slice(-8)
}
