/**
 * Real peers for a test: `await using mesh = await startMesh({ peers: ['atlas', 'den'] })`. Ends whole at the end of the
 * block: no process, namespace or folder stays.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, cpSync, existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import type { SessionView } from '../../../node/http/views.ts'
import { journalFile, sweep, writeJournal } from './journal.ts'
import { layLoopback, layNamespaces, namespacesMissing, planLan } from './lan.ts'
import type { Lan } from './lan.ts'
import { Peer } from './peer.ts'
import type { PeerOptions } from './peer.ts'
import { until } from './until.ts'
import type { UntilOptions } from './until.ts'

const root = join(import.meta.dirname, '..', '..', '..')

export interface MeshOptions {
  peers: (string | PeerOptions)[]
  /** The user of every peer that names none itself. */
  uid?: number
  /** `invite` (default): the first makes a mesh, the others join it, and all see all. `none`: nobody is started. */
  join?: 'invite' | 'none'
  /** More arguments for every `omega up`. */
  up?: string[]
}

export class Mesh implements AsyncDisposable {
  readonly lan: Lan
  readonly peers: Peer[]
  readonly #journal: string

  constructor(lan: Lan, peers: Peer[], journal: string) {
    this.lan = lan
    this.peers = peers
    this.#journal = journal
  }

  peer(name: string): Peer {
    const found = this.peers.find((peer) => peer.name === name)
    if (found === undefined) throw new Error(`no peer "${name}" in this test`)
    return found
  }

  /** As `until`, with the ends of all the peers' logs on failure. */
  async until<T>(probe: Parameters<typeof until<T>>[0], options: UntilOptions): Promise<NonNullable<T>> {
    return await until(probe, { more: () => this.peers.map((peer) => peer.log()).join('\n'), ...options })
  }

  /** Resolves when each of these peers sees each of them alive. */
  async allSeeAll(peers: Peer[] = this.peers, withinMs?: number): Promise<void> {
    for (const peer of peers) {
      const sees = async (note: (observation: unknown) => void) => {
        const nodes = await peer.nodes()
        note(nodes.map((node) => `${node.name} ${node.state}`))
        return nodes.filter((node) => node.state === 'alive').length >= peers.length
      }
      const what = `${peers.length} living nodes on ${peer.name}`
      await this.until(sees, { what, ...(withinMs !== undefined && { withinMs }) })
    }
  }

  /** Resolves when that peer says that the session is in the state. */
  async inState(peer: Peer, id: string, state: SessionView['state']): Promise<SessionView> {
    const reached = async (note: (observation: unknown) => void) => {
      const session = await peer.session(id)
      note(`${session.state}: ${session.reason}`)
      return session.state === state ? session : undefined
    }
    return await this.until(reached, { what: `session ${state} on ${peer.name}`, withinMs: 120_000 })
  }

  async stop(): Promise<void> {
    if (existsSync(this.#journal)) await sweep(this.#journal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const tag = randomBytes(2).toString('hex')
  const folder = join(tmpdir(), `omega-${tag}`)
  const wanted = options.peers.map((peer) => ({
    ...(options.uid !== undefined && { uid: options.uid }),
    ...(typeof peer === 'string' ? { name: peer } : peer)
  }))
  const names = wanted.map((peer) => peer.name)
  const why = namespacesMissing()
  const planned = why === undefined ? planLan(tag, names) : { namespaces: [], links: [] }
  writeJournal({ tag, folder, ...planned })
  try {
    mkdirSync(folder)
    chmodSync(folder, 0o755)
    if (why !== undefined) console.log(`peers on loopback: ${why}`)
    const lan = why === undefined ? layNamespaces(tag, names) : await layLoopback(names)
    const program = programFor(wanted, folder)
    const mesh = new Mesh(
      lan,
      wanted.map((peer) => new Peer(lan, peer, { tag, folder, program, compileCache: join(root, 'build', 'cache') })),
      journalFile(tag)
    )
    if (options.join !== 'none') await joinByInvite(mesh, options.up ?? [])
    return mesh
  } catch (error) {
    await sweep(journalFile(tag))
    throw error
  }
}

async function joinByInvite(mesh: Mesh, up: string[]): Promise<void> {
  const [first, ...others] = mesh.peers
  await first?.up(['--new', ...up])
  for (const peer of others) {
    const { invite } = await first!.json<{ invite: string }>(['invite'])
    await peer.up(['--join', invite, ...up])
  }
  await mesh.allSeeAll()
}

/**
 * The words that start the CLI: the sources, or the bundle with OMEGA_TEST_BUNDLE=1. A user who may not read this clone
 * (a home of mode 0700) is given a copy.
 */
function programFor(peers: PeerOptions[], folder: string): string[] {
  const strangers = peers.flatMap(({ uid }) => (uid === undefined ? [] : [uid]))
  const tree = strangers.every((uid) => mayRead(uid, root)) ? root : copyTree(join(folder, 'program'))
  const entry = process.env.OMEGA_TEST_BUNDLE === '1' ? 'build/node/omega.js' : 'node/main.ts'
  return [join(tree, 'node_modules', 'node', 'bin', 'node'), join(tree, entry)]
}

function mayRead(uid: number, path: string): boolean {
  try {
    execFileSync('setpriv', [
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--clear-groups',
      'test',
      '-r',
      join(path, 'package.json')
    ])
    return true
  } catch {
    return false
  }
}

function copyTree(to: string): string {
  const parts = ['package.json', 'node', 'protocols', 'build', 'node_modules']
  for (const part of parts) {
    const from = join(root, part)
    if (existsSync(from)) cpSync(from, join(to, part), { recursive: true, verbatimSymlinks: true })
  }
  return to
}
