/**
 * Dials: the addresses of a peer in turn, each within a limit, until one leads to the very peer that was meant. A
 * dialled connection counts only when the other side has opened hello on it: the gate over there runs after the
 * handshake, so that until then even a refused dial looks open from here.
 */
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { planeProtocol } from '../../protocols/ports.ts'
import type { DownReason, PeerId, Plane } from '../../protocols/ports.ts'

export interface DialOwner {
  /** False once there is no use in going on: a link stands, or the network stops. */
  isWanted(peer: PeerId): boolean
  /** `hello` is open and unused; `early` are streams of the other side, paused. */
  dialled(connection: Connection, hello: Stream, early: readonly Early[]): void
  failed(peer: PeerId, why: DownReason, detail: string): void
}
export interface Early {
  plane: Plane
  stream: Stream
}

const ADDRESS_LIMIT_MS = 3000
/** Addresses tried in one dial; more are not addresses of one PC. */
const ADDRESSES_MAX = 16
/** The reason that says most about what to do is the one that is told. */
const TELLING: readonly DownReason[] = ['denied', 'refused', 'timeout', 'error']
const DIALABLE = /^\/(ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d+$/

export class Dialler {
  readonly #node: Libp2p
  readonly #owner: DialOwner
  readonly #running = new Set<PeerId>()
  /** Connections that wait for their welcome. */
  readonly #early = new Map<Connection, Early[]>()

  constructor(node: Libp2p, owner: DialOwner) {
    this.#node = node
    this.#owner = owner
  }

  /** A second dial to a peer while one runs is ignored. */
  dial(peer: PeerId, addresses: readonly string[]): void {
    if (this.#running.has(peer)) return
    this.#running.add(peer)
    setImmediate(() => {
      this.#tryAll(peer, addresses.slice(0, ADDRESSES_MAX)).then(
        (failure) => {
          this.#running.delete(peer)
          if (failure !== undefined && this.#owner.isWanted(peer)) this.#owner.failed(peer, failure.why, failure.detail)
        },
        () => this.#running.delete(peer)
      )
    })
  }

  /** Takes a stream that came before the welcome. False: that connection is none of ours. */
  early(connection: Connection, plane: Plane, stream: Stream): boolean {
    const early = this.#early.get(connection)
    if (early === undefined) return false
    stream.pause()
    early.push({ plane, stream })
    return true
  }

  /** Undefined when the peer was reached, or nobody wants it any more. */
  async #tryAll(peer: PeerId, addresses: readonly string[]): Promise<{ why: DownReason; detail: string } | undefined> {
    const failures: { why: DownReason; detail: string }[] = []
    for (const address of addresses) {
      if (!this.#owner.isWanted(peer)) return undefined
      try {
        await this.#tryOne(targetOf(address, peer))
        return undefined
      } catch (error) {
        const why = reasonOf(error)
        failures.push({ why, detail: `${address}: ${sentenceOf(error, why)}` })
      }
    }
    if (failures.length === 0) return { why: 'error', detail: 'no address of that peer is known' }
    failures.sort((a, b) => TELLING.indexOf(a.why) - TELLING.indexOf(b.why))
    return {
      why: failures[0]!.why,
      detail: failures
        .map((failure) => failure.detail)
        .join('; ')
        .slice(0, 500)
    }
  }

  async #tryOne(target: Multiaddr): Promise<void> {
    const signal = AbortSignal.timeout(ADDRESS_LIMIT_MS)
    // `force`: a connection of a link that is just closing must not be taken for this one.
    const connection = await this.#node.dial(target, { signal, force: true })
    const early: Early[] = []
    this.#early.set(connection, early)
    try {
      const hello = await connection.newStream(planeProtocol('hello'), { signal })
      this.#owner.dialled(connection, hello, early)
    } catch (error) {
      connection.abort(error as Error)
      throw new NotWelcome('the other side closed the connection at once', { cause: error })
    } finally {
      this.#early.delete(connection)
    }
  }
}

class NotWelcome extends Error {
  override readonly name = 'NotWelcome'
}

/** Throws for anything but a TCP address. */
function targetOf(address: string, peer: PeerId): Multiaddr {
  const bare = address.replace(/\/p2p\/[^/]*$/, '')
  if (!DIALABLE.test(bare)) throw new Error('not a TCP address')
  return multiaddr(`${bare}/p2p/${peer}`)
}

const BY_NAME: Record<string, DownReason> = {
  NotWelcome: 'denied',
  ConnectionInterceptedError: 'denied',
  EncryptionFailedError: 'denied',
  AbortError: 'timeout',
  TimeoutError: 'timeout'
}

function reasonOf(error: unknown): DownReason {
  const { name, code, message } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED' || message?.includes('ECONNREFUSED')) return 'refused'
  if (code === 'ETIMEDOUT') return 'timeout'
  return BY_NAME[name] ?? 'error'
}

function sentenceOf(error: unknown, why: DownReason): string {
  const { name, message } = error as Error
  if (name === 'EncryptionFailedError') return 'another peer, another mesh, or no peer answers there'
  return why === 'timeout' ? `no answer within ${ADDRESS_LIMIT_MS / 1000} s` : message
}
