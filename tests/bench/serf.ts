/** Agents of serf beside the peers of a mesh, for comparison: what each says of the others, from its log. */
import { onPath } from '../setup/tools.ts'
import type { Mesh, Peer } from '../mesh/harness/index.ts'

const SERF_PORT = 7946
const WITHIN_MS = 120_000

/** What one system has said of a PC: who, whether it failed or joined, when (wall clock). */
export interface Word {
  by: string
  of: string
  failed: boolean
  at: number
}

export const serfMissing = (): boolean => onPath('serf') === undefined

/** One agent beside each peer, with the defaults of a LAN. */
export class Serf {
  readonly words: Word[] = []
  readonly #mesh: Mesh
  readonly #lives = new Map<string, boolean>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
  }

  async start(): Promise<void> {
    for (const peer of this.#mesh.peers) await this.up(peer)
    await this.#mesh.until(() => this.agree(), { what: 'all agents of serf see all', withinMs: WITHIN_MS })
  }

  async up(peer: Peer): Promise<void> {
    const [first] = this.#mesh.peers as [Peer]
    const join = peer === first ? [] : [`-join=${first.address}:${SERF_PORT}`]
    const bind = [`-bind=${peer.address}:${SERF_PORT}`, '-rpc-addr=127.0.0.1:7373']
    const agent = peer.exec([onPath('serf') ?? 'serf', 'agent', `-node=${peer.name}`, ...bind, '-profile=lan', ...join])
    for (const of of this.#mesh.peers) this.#lives.set(`${peer.name} ${of.name}`, false)
    let rest = ''
    agent.child.stdout.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) this.#line(peer.name, line)
    })
    await agent.prints('agent: Serf agent starting')
  }

  agree(): boolean {
    const { peers } = this.#mesh
    return peers.every((by) => peers.every((of) => this.#lives.get(`${by.name} ${of.name}`) === true))
  }

  #line(by: string, line: string): void {
    const found = /EventMember(Join|Failed|Leave): (\S+)/.exec(line)
    if (found === null) return
    const failed = found[1] !== 'Join'
    this.words.push({ by, of: found[2]!, failed, at: Date.now() })
    this.#lives.set(`${by} ${found[2]!}`, !failed)
  }
}
