/**
 * The newcomer's way into a mesh: by an invite, or by a knock at an open door that stands until its person agrees. Each try
 * has a libp2p node of its own with a throw-away key. The membership is on disk before the member hears that it arrived.
 */
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { MeshError } from '../../protocols/errors.ts'
import { createNewcomerSide, fitName, JOIN_PROTOCOL, parseInvite, stepNewcomer } from '../../protocols/joining/index.ts'
import type {
  Enrolled,
  Invite,
  NewcomerEffect,
  NewcomerEvent,
  NewcomerState,
  Offer
} from '../../protocols/joining/index.ts'
import type { Clock, Crypto, Log, Random } from '../../protocols/ports.ts'
import { createJoinNode, frameStream, multiaddrOf, STEP_TIMEOUT_MS } from './enrolment-node.ts'
import type { FrameStream } from './enrolment-node.ts'

/** An address of this LAN that has not answered by then is not there; the next is tried. */
const DIAL_TIMEOUT_MS = 3000

export interface NewcomerOptions {
  /** Of this PC's device key. */
  device: Uint8Array
  crypto: Crypto
  /** Public half of the TLS key that this PC keeps for its leaf. */
  spki: Uint8Array
  name: string
  /** Host name label ('' for none) and addresses, for the TLS leaf. */
  host: string
  ips: readonly string[]
  words: readonly string[]
  clock: Clock
  random: Random
  log: Log
  /** Checks the TLS chain and puts all of it on disk, fsynced; throws when it cannot. */
  keep(enrolled: Enrolled): void
}

/** A door at which this PC stands. */
export interface StandingKnock {
  offer: Offer
  /** The person agrees. Resolves when this PC is a member, on disk. */
  accept(): Promise<Enrolled>
  /** The person does not; also after `gone`. */
  withdraw(): void
  /** Resolves when the offer is over without a membership: the door closed, the member went away, or withdrawn. */
  gone: Promise<MeshError>
}

/**
 * Rejects with INVITE_INVALID, PEER_UNREACHABLE, CLOCK_SKEW, DENIED… `moreAddresses` (host:port): found otherwise, tried
 * after those of the invite.
 */
export async function enrolByInvite(
  text: string,
  options: NewcomerOptions,
  moreAddresses: readonly string[] = []
): Promise<Enrolled> {
  const invite = parseInvite(text, options.clock.wall(), options.crypto)
  const talk = await Talk.open([...invite.addresses, ...moreAddresses], options, invite)
  return await talk.enrolled
}

/** Rejects like `enrolByInvite`. `addresses`: host:port of one door. */
export async function knock(addresses: readonly string[], options: NewcomerOptions): Promise<StandingKnock> {
  const talk = await Talk.open(addresses, options)
  const offer = await talk.offered
  return {
    offer,
    accept() {
      void talk.step({ k: 'consent' })
      return talk.enrolled
    },
    withdraw: () =>
      void talk.step({
        k: 'giveUp',
        error: new MeshError('DENIED', `the person at this PC did not join "${offer.meshName}"`)
      }),
    gone: talk.enrolled.then(
      () => new Promise<MeshError>(() => {}),
      (error: MeshError) => error
    )
  }
}

/** One conversation over a node of its own: feeds the reducer and carries out its effects, in order. */
class Talk {
  readonly offered: Promise<Offer>
  readonly enrolled: Promise<Enrolled>
  private readonly options: NewcomerOptions
  private readonly node: Libp2p
  private readonly offer = Promise.withResolvers<Offer>()
  private readonly outcome = Promise.withResolvers<Enrolled>()
  private state: NewcomerState | undefined
  private stream: FrameStream | undefined
  private timer: unknown
  private isOver = false

  private constructor(options: NewcomerOptions, node: Libp2p) {
    this.options = options
    this.node = node
    this.offered = this.offer.promise
    this.enrolled = this.outcome.promise
    // Whoever waits for the other of the two hears of the same error.
    this.offered.catch(() => {})
    this.enrolled.catch(() => {})
  }

  static async open(addresses: readonly string[], options: NewcomerOptions, invite?: Invite): Promise<Talk> {
    const talk = new Talk(options, await createJoinNode([]))
    try {
      await talk.begin(addresses, invite)
    } catch (error) {
      await talk.node.stop()
      throw error
    }
    return talk
  }

  private async begin(addresses: readonly string[], invite?: Invite): Promise<void> {
    const { options, node } = this
    const connection = await dialFirst(node, addresses, options.log, invite)
    const stream = await connection.newStream(JOIN_PROTOCOL, { signal: AbortSignal.timeout(STEP_TIMEOUT_MS) })
    this.stream = frameStream(stream, {
      frame: (bytes) => this.step({ k: 'frame', bytes }),
      closed: () => void this.step({ k: 'closed' })
    })
    const { device, spki, host, ips, crypto, words, random } = options
    const name = fitName(options.name, 'PC')
    const platform = `${process.platform} ${process.arch}`
    this.state = createNewcomerSide({
      self: node.peerId.toString(),
      member: connection.remotePeer.toString(),
      details: { device, name, platform, host, ips: ips.slice(0, 8), spki },
      nonce: random.bytes(32),
      words,
      crypto,
      ...(invite === undefined ? {} : { invite })
    })
    await this.step({ k: 'start' })
  }

  async step(event: NewcomerEvent): Promise<void> {
    if (this.state === undefined) return
    const effects = stepNewcomer(this.state, event, this.options.clock.wall())
    this.rearm()
    for (const effect of effects) await this.carryOut(effect)
  }

  private async carryOut(effect: NewcomerEffect): Promise<void> {
    switch (effect.e) {
      case 'send':
        return this.stream!.send(effect.frame)
      case 'offer':
        return this.offer.resolve(effect.offer)
      case 'enrolled':
        return await this.keep(effect.enrolled)
      case 'failed':
        this.offer.reject(effect.error)
        return this.outcome.reject(effect.error)
      case 'close':
        return await this.finish()
    }
  }

  private async keep(enrolled: Enrolled): Promise<void> {
    try {
      this.options.keep(enrolled)
    } catch (error) {
      const known =
        error instanceof MeshError
          ? error
          : new MeshError('STORE_FAILED', 'the membership could not be stored', { cause: error })
      return await this.step({ k: 'giveUp', error: known })
    }
    await this.step({ k: 'saved' })
    this.outcome.resolve(enrolled)
  }

  /** No limit while a person decides: the member's door has its own. */
  private rearm(): void {
    const { clock } = this.options
    clock.clearTimeout(this.timer)
    if (this.isOver || this.state?.phase === 'consent') return
    const error = new MeshError('DEADLINE', `the member did not answer within ${STEP_TIMEOUT_MS / 1000} s`)
    this.timer = clock.setTimeout(() => void this.step({ k: 'giveUp', error }), STEP_TIMEOUT_MS)
  }

  private async finish(): Promise<void> {
    if (this.isOver) return
    this.isOver = true
    this.options.clock.clearTimeout(this.timer)
    await this.stream?.end()
    await this.node.stop()
  }
}

async function dialFirst(node: Libp2p, addresses: readonly string[], log: Log, invite?: Invite) {
  const tried: string[] = []
  for (const address of new Set(addresses)) {
    const target = multiaddrOf(address)
    if (target === undefined) continue
    try {
      return await node.dial(multiaddr(target), { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) })
    } catch (error) {
      tried.push(address)
      log.info('no enrolment at this address', { address, error: (error as Error).message })
    }
  }
  const where = tried.length === 0 ? 'no address is known' : `nobody enrols at ${tried.join(', ')}`
  const hint =
    invite === undefined
      ? 'the door may be closed again'
      : 'the PC that made the invite must be on and reachable from here, and the invite neither used up nor revoked'
  throw new MeshError('PEER_UNREACHABLE', `${where}: ${hint}`)
}
