/**
 * The enrolment listener of a member (SECURITY 1.2). It is opened while an invite or a door lives, and closed after. Each
 * connection is one conversation of protocols/joining; ten seconds are given to each step that waits for no person.
 * What strangers send can end their own conversation, nothing else.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { MeshError } from '../../protocols/errors.ts'
import { createMemberSide, isWaitingAtDoor, JOIN_PROTOCOL, stepMember } from '../../protocols/joining/index.ts'
import type {
  DoorQueue,
  Genesis,
  Grant,
  GrantRequest,
  InviteBook,
  Knock,
  MemberEffect,
  MemberEvent,
  MemberState
} from '../../protocols/joining/index.ts'
import type { Clock, Crypto, Log, Random } from '../../protocols/ports.ts'
import { createJoinNode, frameStream, hostPortOf, STEP_TIMEOUT_MS } from './enrolment-node.ts'
import type { FrameStream } from './enrolment-node.ts'

/** Ports tried after a default one that is taken. */
const PORTS_TRIED = 20

export interface EnrolmentOptions {
  /** `fixed`: the user gave it, so that taken is an error; else the next free one is used. 0: any. */
  port: number
  fixed: boolean
  /** Interface address to listen on; default all, IPv4 and, where there is one, IPv6. */
  bind?: string
  genesis: Genesis
  /** Read at each conversation, since it is renewed. */
  certificate(): Uint8Array
  device: Uint8Array
  words: readonly string[]
  book: InviteBook
  door: DoorQueue
  crypto: Crypto
  clock: Clock
  random: Random
  log: Log
  /** Writes the book to disk; throws when it cannot. */
  saveBook(): void
  /** Signs; rejects when it will not. */
  grant(request: GrantRequest): Promise<Grant>
  /** For the screens. `id` is this conversation's. */
  onKnock?(id: number, knock: Knock, address: string): void
  onEnd?(id: number, outcome: { joined: boolean; text: string }): void
}

export interface Enrolment {
  port: number
  /** host:port at which newcomers reach it, LAN addresses first; of now. */
  addresses(): string[]
  /** Ends the conversations of newcomers that wait at the door. */
  doorClosed(): void
  close(): Promise<void>
}

/** Rejects with PORT_TAKEN. */
export async function openEnrolment(options: EnrolmentOptions): Promise<Enrolment> {
  const { node, port } = await listen(options)
  const conversations = new Set<Conversation>()
  const talking = new WeakSet<Connection>()
  let nextId = 0
  node.addEventListener('connection:open', ({ detail: connection }) => {
    const timer = options.clock.setTimeout(() => {
      if (!talking.has(connection)) connection.abort(new Error('no conversation began in time'))
    }, STEP_TIMEOUT_MS)
    connection.addEventListener('close', () => options.clock.clearTimeout(timer))
  })
  await node.handle(
    JOIN_PROTOCOL,
    (stream, connection) => {
      talking.add(connection)
      const conversation = new Conversation(options, node, stream, connection, nextId++, () =>
        conversations.delete(conversation)
      )
      conversations.add(conversation)
    },
    { maxInboundStreams: 1 }
  )
  options.log.info('enrolment listens', { port })
  return {
    port,
    addresses: () => reachableAddresses(node),
    doorClosed() {
      for (const conversation of [...conversations]) conversation.doorClosed()
    },
    async close() {
      for (const conversation of [...conversations]) conversation.memberStops()
      await node.stop()
      options.log.info('enrolment stopped', { port })
    }
  }
}

/** One newcomer: feeds the reducer and carries out its effects, in order. */
class Conversation {
  private readonly options: EnrolmentOptions
  private readonly connection: Connection
  private readonly state: MemberState
  private readonly id: number
  private readonly stream: FrameStream
  private readonly whenOver: () => void
  private timer: unknown
  private isOver = false

  constructor(
    options: EnrolmentOptions,
    node: Libp2p,
    stream: Stream,
    connection: Connection,
    id: number,
    whenOver: () => void
  ) {
    this.options = options
    this.connection = connection
    this.id = id
    this.whenOver = whenOver
    this.state = createMemberSide({
      self: node.peerId.toString(),
      newcomer: connection.remotePeer.toString(),
      address: connection.remoteAddr.toString().split('/')[2] ?? 'unknown',
      genesis: options.genesis,
      certificate: options.certificate(),
      device: options.device,
      nonce: options.random.bytes(32),
      words: options.words,
      crypto: options.crypto,
      book: options.book,
      door: options.door
    })
    this.stream = frameStream(stream, {
      frame: (bytes) => this.step({ k: 'frame', bytes }),
      closed: () => void this.step({ k: 'closed' }).then(() => this.finish())
    })
    this.rearm()
  }

  /** A newcomer whose certificate is being signed is let in all the same. */
  doorClosed(): void {
    const { atDoor, phase } = this.state
    if (atDoor && (phase === 'details' || phase === 'ask')) this.deny('DENIED', 'the door is closed again')
  }

  memberStops(): void {
    this.deny('NOT_ACTIVE', this.state.atDoor ? 'the door is closed again' : 'this member stops listening')
  }

  private deny(code: 'DENIED' | 'NOT_ACTIVE' | 'DEADLINE', text: string): void {
    void this.step({ k: 'denied', error: new MeshError(code, text) })
  }

  private async step(event: MemberEvent): Promise<void> {
    const { clock } = this.options
    const effects = stepMember(this.state, event, { now: clock.mono(), wall: clock.wall() })
    this.rearm()
    for (const effect of effects) {
      try {
        await this.carryOut(effect)
      } catch (error) {
        this.options.log.warn('enrolment failed on this side', { error: error as Error })
        const known =
          error instanceof MeshError
            ? error
            : new MeshError('DENIED', 'this member had an error of its own and did not sign', { cause: error })
        await this.step({ k: 'denied', error: known })
        return
      }
    }
  }

  private async carryOut(effect: MemberEffect): Promise<void> {
    const { options, id } = this
    switch (effect.e) {
      case 'send':
        return this.stream.send(effect.frame)
      case 'saveBook':
        return options.saveBook()
      case 'knock':
        return options.onKnock?.(id, effect.knock, this.state.config.address)
      case 'grant':
        return await this.step({ k: 'granted', grant: await options.grant(effect.request) })
      case 'joined':
        options.log.info('enrolled a newcomer', { name: effect.name })
        return options.onEnd?.(id, { joined: true, text: '' })
      case 'refused':
        options.log.info('enrolment ended without a member', { code: effect.code, text: effect.text })
        return options.onEnd?.(id, { joined: false, text: effect.text })
      case 'close':
        return await this.finish()
    }
  }

  /** A step's time, except while a person at the newcomer's screen decides: then until the door closes. */
  private rearm(): void {
    const { clock, book } = this.options
    clock.clearTimeout(this.timer)
    if (this.isOver) return
    if (!isWaitingAtDoor(this.state)) {
      const text = `the next step did not come within ${STEP_TIMEOUT_MS / 1000} s`
      this.timer = clock.setTimeout(() => this.deny('DEADLINE', text), STEP_TIMEOUT_MS)
      return
    }
    const leftMs = book.doorUntil - clock.wall()
    if (leftMs <= 0) return this.doorClosed()
    // Opened again meanwhile, it stays open longer: looked at once more when this time is over.
    this.timer = clock.setTimeout(() => this.rearm(), leftMs)
  }

  private async finish(): Promise<void> {
    if (this.isOver) return
    this.isOver = true
    this.options.clock.clearTimeout(this.timer)
    this.whenOver()
    await this.stream.end()
    await this.connection
      .close({ signal: AbortSignal.timeout(STEP_TIMEOUT_MS) })
      .catch((error: Error) => this.connection.abort(error))
  }
}

async function listen(options: EnrolmentOptions): Promise<{ node: Libp2p; port: number }> {
  const { port, fixed, bind } = options
  const last = fixed || port === 0 ? port : port + PORTS_TRIED
  for (let tried = port; ; tried++) {
    const hosts =
      bind === undefined ? ['/ip4/0.0.0.0', '/ip6/::'] : [bind.includes(':') ? `/ip6/${bind}` : `/ip4/${bind}`]
    const node = await listenAt(hosts, tried)
    if (node !== undefined) {
      const taken = node.getMultiaddrs().map((a) => Number(a.toString().split('/')[4]))
      if (tried !== port)
        options.log.warn('the default enrolment port is taken, using another', { wanted: port, port: tried })
      return { node, port: taken[0] ?? tried }
    }
    if (tried >= last) {
      throw new MeshError(
        'PORT_TAKEN',
        `port ${port} for enrolment is taken${last > port ? `, and so are the next ${PORTS_TRIED}` : ''}: set OMEGA_JOIN_PORT to a free one`
      )
    }
  }
}

/** Undefined when the port is taken. A PC without IPv6 listens on IPv4 alone. */
async function listenAt(hosts: readonly string[], port: number): Promise<Libp2p | undefined> {
  for (const some of hosts.length > 1 ? [hosts, hosts.slice(0, 1)] : [hosts]) {
    try {
      return await createJoinNode(some.map((host) => `${host}/tcp/${port}`))
    } catch (error) {
      if (isTaken(error)) return undefined
      if (some.length === 1) throw error
    }
  }
  return undefined
}

function isTaken(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isTaken)
  const { code, message, cause } = error as NodeJS.ErrnoException & { cause?: unknown }
  return code === 'EADDRINUSE' || (message ?? '').includes('EADDRINUSE') || (cause !== undefined && isTaken(cause))
}

function reachableAddresses(node: Libp2p): string[] {
  const all = node.getMultiaddrs().map((a) => hostPortOf(a.toString()))
  const known = all.filter((a) => a !== undefined)
  const isLoopback = (a: string): boolean => a.startsWith('127.') || a.startsWith('[::1]')
  const lan = known.filter((a) => !isLoopback(a) && !a.startsWith('[fe80'))
  const rank = (a: string): number => (a.startsWith('[') ? 1 : 0)
  return [...new Set(lan.length > 0 ? lan : known)].sort((a, b) => rank(a) - rank(b))
}
