/** The short commands: ask the peer, print the answer. */
import { createInterface } from 'node:readline/promises'
import { MeshError } from '../../protocols/errors.ts'
import type { NodeView, SessionView, StatusView } from '../http/views.ts'
import type { Client } from './client.ts'
import { ago, nodeRow, note, print, printJson, sessionRow, table } from './output.ts'
import { duration } from './program.ts'
import { awaitsInWords, strictLines } from './strict.ts'

interface Json {
  json?: boolean
}

export async function status(client: Client, flags: Json): Promise<number> {
  const found = await client.get<StatusView>('/api/v1/status')
  if (flags.json === true) {
    printJson(found)
    return 0
  }
  print(
    `${found.name}  ${found.phase}  ${found.mesh === null ? 'no mesh yet' : `mesh "${found.mesh.name}" ${found.mesh.id.slice(0, 8)}`}`
  )
  print(
    `members   ${found.members.alive} of ${found.members.total} here; sessions ${found.sessions.running} running of ${found.sessions.total}`
  )
  for (const url of found.urls) print(`page      ${url}`)
  for (const door of found.doors) {
    print(`door      open at ${door.name} for ${ago(door.untilMs - Date.now())} more`)
    for (const knock of door.knocks)
      print(`          ${knock.name} (${knock.platform}), ${knock.state}: ${knock.words}`)
  }
  for (const offer of found.offers) print(`offer     "${offer.meshName}" by ${offer.memberName}: ${offer.words}`)
  if (found.paused) print('paused    this PC gives nothing until `omega node resume`')
  for (const notice of found.notices) print(`notice    ${notice.text}${notice.fix === '' ? '' : ` -> ${notice.fix}`}`)
  return 0
}

export async function down(client: Client, flags: Json & { keepSessions?: boolean }): Promise<number> {
  const before = await client.get<StatusView>('/api/v1/status')
  await client.post('/api/v1/down', { keepSessions: flags.keepSessions === true })
  // The answer comes when the drain has begun; the process is gone when its socket is.
  for (;;) {
    const there = await client.get<StatusView>('/api/v1/status').then(
      (now) => now.peerId === before.peerId,
      (error: MeshError) => error.code !== 'PEER_UNREACHABLE'
    )
    if (!there) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  if (flags.json === true) printJson({ down: true, name: before.name })
  else print(`${before.name} is down`)
  return 0
}

export async function invite(
  client: Client,
  flags: Json & { open?: string; close?: boolean; uses: string; ttl: string }
): Promise<number> {
  await client.active()
  if (flags.close === true) {
    await client.delete('/api/v1/door')
    if (flags.json === true) printJson({ door: null })
    else print('the door is closed')
    return 0
  }
  if (flags.open !== undefined) {
    const found = await client.post<StatusView>('/api/v1/door', { forMs: duration(flags.open, '--open') })
    const door = found.doors.find((one) => one.peerId === found.peerId)
    if (flags.json === true) printJson({ door })
    else
      print(
        `the door is open for ${flags.open}: start Omega on the other PC now and compare the six words; \`omega status\` shows who knocks`
      )
    return 0
  }
  const uses = Number(flags.uses)
  if (!Number.isInteger(uses) || uses < 1)
    throw new MeshError('BAD_REQUEST', `--uses ${flags.uses}: give a number from 1 on`)
  const made = await client.post<{ invite: string; expiresAt: number; uses: number }>('/api/v1/invites', {
    uses,
    ttlMs: duration(flags.ttl, '--ttl')
  })
  if (flags.json === true) {
    printJson(made)
    return 0
  }
  print(made.invite)
  note(
    `good for ${made.uses} ${made.uses === 1 ? 'PC' : 'PCs'} and ${ago(made.expiresAt - Date.now())}; there: omega join '…this line…'`
  )
  note('a member may run programs here as this user, at low priority, until isolation is available')
  return 0
}

export async function join(
  client: Client,
  text: string | undefined,
  flags: Json & { acceptOpenDoor?: boolean }
): Promise<number> {
  if (text !== undefined) return joined(await client.post<StatusView>('/api/v1/join', { invite: text }), flags)
  const found = await client.get<StatusView>('/api/v1/status')
  const offer = found.offers[0]
  if (offer === undefined)
    throw new MeshError(
      'BAD_REQUEST',
      'no open door is seen: open one on a member with `omega invite --open 10m`, or give an invite'
    )
  if (flags.acceptOpenDoor !== true) {
    print(`"${offer.meshName}" by ${offer.memberName}\n  ${offer.words}`)
    const line = createInterface({ input: process.stdin, output: process.stderr })
    await line.question('Does the other PC show the same six words? Enter to join, Ctrl-C to leave it: ')
    line.close()
  }
  return joined(await client.post<StatusView>(`/api/v1/offers/${encodeURIComponent(offer.id)}/accept`), flags)
}

function joined(found: StatusView, flags: Json): number {
  if (flags.json === true) printJson(found)
  else {
    print(`${found.name} is a member of "${found.mesh?.name ?? ''}"`)
    note(
      'its members may now run programs on this PC as your user, at low priority; `omega node pause` stops that, `omega leave` ends it'
    )
  }
  return 0
}

export async function leave(client: Client, flags: Json): Promise<number> {
  const found = await client.post<StatusView>('/api/v1/leave')
  if (flags.json === true) printJson(found)
  else print(`${found.name} has left; it looks for a mesh again`)
  return 0
}

export async function nodes(client: Client, flags: Json): Promise<number> {
  await client.active()
  const found = await client.get<NodeView[]>('/api/v1/nodes')
  if (flags.json === true) printJson(found)
  else
    table(
      ['NAME', 'STATE', 'CPU', 'CORES', 'MEMORY', 'FREE DISK', 'RTT', 'SEEN', ''],
      found.map((one) => nodeRow(one, Date.now()))
    )
  return 0
}

export async function node(client: Client, verb: 'pause' | 'resume', flags: Json): Promise<number> {
  await client.active()
  const found = await client.post<NodeView>(`/api/v1/${verb}`)
  if (flags.json === true) printJson(found)
  else print(verb === 'pause' ? 'what runs here stands still, nothing new comes' : 'this PC gives again')
  return 0
}

export async function ps(client: Client, flags: Json & { all?: boolean }): Promise<number> {
  await client.active()
  const found = await allSessions(client)
  const shown =
    flags.all === true ? found : found.filter((session) => !['finished', 'stopped', 'failed'].includes(session.state))
  if (flags.json === true) {
    printJson(shown)
    return 0
  }
  const names = new Map((await client.get<NodeView[]>('/api/v1/nodes')).map((one) => [one.peerId, one.name]))
  table(
    ['ID', 'STATE', 'ON', 'AGE', 'USER', 'COMMAND'],
    shown.map((session) => sessionRow(session, names, Date.now()))
  )
  for (const session of shown)
    if ((session.strict?.awaits ?? []).length > 0)
      note(`${session.id.slice(0, 8)}: ${awaitsInWords(session, (peer) => names.get(peer) ?? peer.slice(-8))}`)
  return 0
}

async function allSessions(client: Client): Promise<SessionView[]> {
  const all: SessionView[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: { sessions: SessionView[]; next: string | null } = await client.get(
      `/api/v1/sessions?limit=500${cursor === '' ? '' : `&cursor=${cursor}`}`
    )
    all.push(...page.sessions)
    cursor = page.next
  }
  return all
}

export async function show(client: Client, id: string, flags: Json): Promise<number> {
  await client.active()
  const session = await client.get<SessionView>(`/api/v1/sessions/${encodeURIComponent(id)}`)
  if (flags.json === true) {
    printJson(session)
    return 0
  }
  const names = new Map((await client.get<NodeView[]>('/api/v1/nodes')).map((one) => [one.peerId, one.name]))
  const name = (peer: string): string => names.get(peer) ?? peer.slice(-8)
  print(`${session.id}  ${session.state}  ${session.command}`)
  if (session.reason !== '') print(`  ${session.reason}`)
  print(
    `runs on   ${session.runner === null ? '-' : name(session.runner)}, owner ${name(session.owner)}, epoch ${session.epoch}`
  )
  if (session.tasks !== null) {
    const { total, done, failed, running, failing } = session.tasks
    print(`tasks     ${total}: ${done} done, ${failed} failed, ${running} running`)
    if (failing.length > 0) print(`failed    ${rangesOf(failing)}${failed > sizeOf(failing) ? ', …' : ''}`)
  }
  print(`keepers   ${session.keepers.map(name).join(', ')}`)
  for (const line of strictLines(session, name)) print(line)
  for (const peer of session.frozenOn)
    print(
      `frozen    an older run is kept on ${name(peer)}; \`omega stop --fork ${session.id.slice(0, 8)}\` discards it`
    )
  print(
    `asked     ${session.cpuMilli / 1000} cores, ${Math.round(session.memoryBytes / 2 ** 20)} MiB; restart ${session.restart}; ${session.mode}; class ${session.priority}; by ${session.user} on ${name(session.submitter)}`
  )
  if (session.exit !== null)
    print(`exit      ${session.exit.signal === null ? `code ${session.exit.code}` : `signal ${session.exit.signal}`}`)
  if (session.placement !== null) {
    print(`why       ${session.placement.sentence}`)
    for (const row of session.placement.candidates) print(`          ${row.name}: ${row.reason}`)
  }
  for (const step of session.history)
    print(`${new Date(step.at).toISOString()}  ${step.state}  by ${name(step.by)}: ${step.cause}`)
  return 0
}

/** `3, 7-9` from pairs of from and to. */
function rangesOf(pairs: readonly number[]): string {
  const words: string[] = []
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [from, last] = [pairs[i]!, pairs[i + 1]! - 1]
    words.push(from === last ? String(from) : `${from}-${last}`)
  }
  return words.join(', ')
}

const sizeOf = (pairs: readonly number[]): number =>
  pairs.reduce((sum, bound, i) => sum + (i % 2 === 0 ? -bound : bound), 0)

export async function logs(
  client: Client,
  id: string,
  flags: Json & { follow?: boolean; task?: string }
): Promise<number> {
  await client.active()
  const task = flags.task === undefined ? '' : `&task=${encodeURIComponent(flags.task)}`
  const body = await client.stream(
    `/api/v1/sessions/${encodeURIComponent(id)}/logs?from=0${flags.follow === true ? '&follow=1' : ''}${task}`
  )
  const lines = createInterface({ input: body, crlfDelay: Infinity })
  for await (const line of lines) {
    if (line === '') continue
    if (flags.json === true) {
      print(line)
      continue
    }
    const entry = JSON.parse(line) as { stream?: 1 | 2; data?: string; error?: { code: string; message: string } }
    if (entry.error !== undefined) throw new MeshError('HOST_FAILED', entry.error.message)
    if (entry.data === undefined) continue
    const stream = entry.stream === 2 ? process.stderr : process.stdout
    if (!stream.write(Buffer.from(entry.data, 'base64'))) await new Promise((resolve) => stream.once('drain', resolve))
  }
  return 0
}

export async function stop(client: Client, id: string, flags: Json & { fork?: boolean }): Promise<number> {
  await client.active()
  const isFork = flags.fork === true
  const path = `/api/v1/sessions/${encodeURIComponent(id)}${isFork ? '/forks' : ''}`
  const session = await client.delete<SessionView>(path)
  if (flags.json === true) printJson(session)
  else if (isFork) print(`the frozen run of ${session.id.slice(0, 8)} is discarded; the session is ${session.state}`)
  else print(`${session.id.slice(0, 8)} is told to stop`)
  return 0
}
