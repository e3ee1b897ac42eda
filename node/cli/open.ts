/** `omega apps` and `omega open`: programs with windows, which run on the PC that has them and are shown in the browser. */
import { randomBytes } from 'node:crypto'
import { MeshError } from '../../protocols/errors.ts'
import type { AppsView, NodeView, SessionView, StatusView } from '../http/views.ts'
import { openBrowser } from './browser.ts'
import type { Client } from './client.ts'
import { note, print, printJson, table } from './output.ts'

export async function apps(client: Client, flags: { json?: boolean }): Promise<number> {
  await client.active()
  const found = await client.get<AppsView>('/api/v1/apps')
  if (flags.json === true) {
    printJson(found)
    return 0
  }
  const nodes = await client.get<NodeView[]>('/api/v1/nodes')
  const nameOf = (peerId: string): string => nodes.find((node) => node.peerId === peerId)?.name ?? peerId.slice(-8)
  if (found.apps.length > 0)
    table(
      ['name', 'id', 'on'],
      found.apps.map(({ id, name, nodes: on }) => [name, id, on.map(nameOf).join(', ')])
    )
  for (const { name, why } of found.without) note(`${name} cannot show windows: ${why}`)
  return 0
}

export interface OpenFlags {
  on?: string
  browser?: boolean
  json?: boolean
}

/** Resolves when the mesh has accepted it; the windows are on the page that is named. */
export async function open(client: Client, command: string[], flags: OpenFlags): Promise<number> {
  await client.active()
  const [first = '', ...args] = command
  const { apps: all } = await client.get<AppsView>('/api/v1/apps')
  const app = appCalled(first, all)
  const body = {
    app_uri: app === undefined ? `exec:${first}` : `app:${app.id}`,
    args,
    display: {},
    ...(flags.on === undefined ? {} : { constraints: { on: flags.on } })
  }
  const key = { 'idempotency-key': randomBytes(16).toString('hex') }
  const { session } = await client.post<{ session: SessionView }>('/api/v1/sessions', body, key)
  const { urls } = await client.get<StatusView>('/api/v1/status')
  const page = urls[0] === undefined ? undefined : `${urls[0].replace(/\/$/, '')}/#/sessions/${session.id}`
  if (flags.json === true) printJson({ ...session, page })
  else print(page ?? session.id)
  if (flags.browser !== false) openBrowser(page)
  return 0
}

/** By id, or by name where one alone is called so; letters large and small are the same. Undefined: a program like any other. */
function appCalled(text: string, all: AppsView['apps']): AppsView['apps'][number] | undefined {
  const wanted = text.toLowerCase()
  const byId = all.find(({ id }) => id.toLowerCase() === wanted)
  if (byId !== undefined) return byId
  const byName = all.filter(({ name }) => name.toLowerCase() === wanted)
  if (byName.length > 1)
    throw new MeshError(
      'BAD_REQUEST',
      `"${text}" may be ${byName.map(({ id }) => id).join(' or ')}; say which, \`omega apps\` lists them`
    )
  return byName[0]
}
