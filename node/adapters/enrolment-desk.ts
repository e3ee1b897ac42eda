/**
 * The desk at which a signer lets newcomers in: makes invites, opens and closes the door, keeps the book of both on disk,
 * signs what a finished conversation asks for. The listener exists only while an invite or the door lives, also after a
 * restart.
 */
import { join } from 'node:path'
import { MeshError } from '../../protocols/errors.ts'
import { peerIdOf } from '../../protocols/codec.ts'
import {
  addInvite,
  createDoorQueue,
  decodeBook,
  DOOR_TTL_MAX_MS,
  emptyBook,
  encodeBook,
  hasReasonToListen,
  INVITE_TTL_MAX_MS,
  INVITE_USES_MAX,
  inviteId,
  inviteKey,
  makeInvite,
  nextEnd
} from '../../protocols/joining/index.ts'
import type { Grant, GrantRequest, InviteBook, Knock } from '../../protocols/joining/index.ts'
import type { Log, PeerId } from '../../protocols/ports.ts'
import { readPrivate, writePrivate } from '../security/private-files.ts'
import { noSigner, signNewcomer } from './enrolment-signer.ts'
import type { SignerParts } from './enrolment-signer.ts'
import { openEnrolment } from './enrolment.ts'
import type { Enrolment } from './enrolment.ts'

const BOOK_FILE = 'invites.cbor'
const BOOK_BYTES_MAX = 8 << 20
/** Knocks shown of one door, newest last. */
const KNOCKS_SHOWN = 16
/** A timer may be this far off: a listener that lives a little longer lets nobody in. */
const TIMER_MAX_MS = 6 * 3_600_000

export interface DeskOptions extends SignerParts {
  /** Data folder. */
  dir: string
  words: readonly string[]
  port: number
  /** The user gave the port. */
  portFixed: boolean
  bind?: string
  log: Log
  /** Makes the door known on the LAN (mDNS); returns the end of it. */
  announceDoor?(door: { port: number; untilMs: number }): () => void
  onEvent?(event: DeskEvent): void
}
/** `changed`: door or knocks look different now. */
export type DeskEvent =
  | { k: 'changed' }
  | { k: 'joined'; peer: PeerId; name: string; by: 'invite' | 'door' }
  | { k: 'refused'; name: string; text: string }

export interface ShownKnock {
  name: string
  words: string
  platform: string
  state: 'waiting' | 'joined' | 'refused'
}
export interface ShownDoor {
  untilMs: number
  knocks: ShownKnock[]
}

export interface EnrolmentDesk {
  /** One line, good for `uses` PCs. Rejects with DENIED on a peer that is no signer, BAD_REQUEST, BUSY, PORT_TAKEN, STORE_FAILED. */
  invite(options: { uses: number; ttlMs: number }): Promise<{ invite: string; expiresAt: number; uses: number }>
  /** Rejects like `invite`. An open door stays open for the new time. */
  openDoor(forMs: number): Promise<void>
  closeDoor(): Promise<void>
  door(): ShownDoor | null
  /** Port of the listener while there is one. */
  readonly port: number | undefined
  close(): Promise<void>
}

/** Opens the listener at once when the book on disk has an invite or a door that lives. */
export async function openEnrolmentDesk(options: DeskOptions): Promise<EnrolmentDesk> {
  const desk = new Desk(options)
  await desk.sync()
  return desk
}

class Desk implements EnrolmentDesk {
  private readonly options: DeskOptions
  private readonly book: InviteBook
  private readonly queue = createDoorQueue()
  private readonly knocks = new Map<number, ShownKnock & { peer: PeerId; atDoor: boolean }>()
  private enrolment: Enrolment | undefined
  private stopAnnouncing: (() => void) | undefined
  private timer: unknown
  private turn: Promise<void> = Promise.resolve()
  private isClosed = false

  constructor(options: DeskOptions) {
    this.options = options
    const stored = readPrivate(join(options.dir, BOOK_FILE), BOOK_BYTES_MAX)
    this.book = stored === undefined ? emptyBook() : this.readBook(stored)
  }

  get port(): number | undefined {
    return this.enrolment?.port
  }

  async invite({
    uses,
    ttlMs
  }: {
    uses: number
    ttlMs: number
  }): Promise<{ invite: string; expiresAt: number; uses: number }> {
    this.requireSigner()
    if (!Number.isInteger(uses) || uses < 1 || uses > INVITE_USES_MAX) {
      throw new MeshError('BAD_REQUEST', `an invite is good for 1 to ${INVITE_USES_MAX} PCs, not ${uses}`)
    }
    requireSpan('an invite', ttlMs, INVITE_TTL_MAX_MS)
    const { crypto, random, clock, genesis, device } = this.options
    const secret = random.bytes(16)
    const exp = Math.floor((clock.wall() + ttlMs) / 1000) * 1000
    const id = inviteId(secret, crypto)
    await this.change(() => {
      const made = addInvite(this.book, { id, key: inviteKey(secret, crypto), exp, uses }, clock.wall())
      return () => void this.book.invites.splice(this.book.invites.indexOf(made), 1)
    })
    const addresses = this.enrolment?.addresses() ?? []
    const fields = { meshId: genesis.idBytes, meshName: genesis.name, signer: device, secret, exp, uses, addresses }
    return { invite: makeInvite(fields, crypto.sign), expiresAt: exp, uses }
  }

  async openDoor(forMs: number): Promise<void> {
    this.requireSigner()
    requireSpan('a door', forMs, DOOR_TTL_MAX_MS)
    const untilMs = this.options.clock.wall() + forMs
    if (this.door() === null) this.knocks.clear()
    await this.setDoor(untilMs)
  }

  async closeDoor(): Promise<void> {
    await this.setDoor(0)
  }

  door(): ShownDoor | null {
    const untilMs = this.book.doorUntil
    if (untilMs <= this.options.clock.wall()) return null
    const shown = [...this.knocks.values()].filter((k) => k.atDoor).slice(-KNOCKS_SHOWN)
    return { untilMs, knocks: shown.map(({ name, words, platform, state }) => ({ name, words, platform, state })) }
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.sync()
  }

  /** Brings listener, announcement and timer in line with the book. One at a time. */
  sync(): Promise<void> {
    const mine = this.turn.then(() => this.align())
    this.turn = mine.catch(() => {})
    return mine
  }

  /** A change of the book counts once it is on disk and the listener stands; else `apply`'s answer takes it back. */
  private async change(apply: () => () => void): Promise<void> {
    if (this.isClosed) throw new MeshError('NOT_ACTIVE', 'this peer is stopping')
    const undo = apply()
    try {
      this.saveBook()
      await this.sync()
    } catch (error) {
      undo()
      throw error
    } finally {
      this.options.onEvent?.({ k: 'changed' })
    }
  }

  private async setDoor(untilMs: number): Promise<void> {
    const before = this.book.doorUntil
    await this.change(() => {
      this.book.doorUntil = untilMs
      return () => void (this.book.doorUntil = before)
    })
  }

  private async align(): Promise<void> {
    const { clock } = this.options
    const wall = clock.wall()
    clock.clearTimeout(this.timer)
    if (this.isClosed || !hasReasonToListen(this.book, wall)) {
      const { enrolment } = this
      this.enrolment = undefined
      this.announce(undefined)
      await enrolment?.close()
      return
    }
    const isSigner = this.options.membership().signing !== undefined
    if (this.enrolment === undefined && isSigner) this.enrolment = await this.listen()
    const doorUntil = this.book.doorUntil > wall ? this.book.doorUntil : undefined
    this.announce(doorUntil)
    if (doorUntil === undefined) this.enrolment?.doorClosed()
    const end = nextEnd(this.book, wall)
    if (end === undefined) return
    const delayMs = Math.min(Math.max(end - wall + 1, 1), TIMER_MAX_MS)
    this.timer = clock.setTimeout(() => this.onTimer(), delayMs)
  }

  private onTimer(): void {
    this.sync()
      .catch((error: Error) => this.options.log.warn('enrolment did not change as planned', { error }))
      .finally(() => this.options.onEvent?.({ k: 'changed' }))
  }

  private announce(doorUntil: number | undefined): void {
    this.stopAnnouncing?.()
    this.stopAnnouncing = undefined
    if (doorUntil === undefined || this.enrolment === undefined) return
    this.stopAnnouncing = this.options.announceDoor?.({ port: this.enrolment.port, untilMs: doorUntil })
  }

  private async listen(): Promise<Enrolment> {
    const {
      port,
      portFixed: fixed,
      bind,
      genesis,
      device,
      words,
      crypto,
      clock,
      random,
      log,
      membership
    } = this.options
    return await openEnrolment({
      port,
      fixed,
      ...(bind === undefined ? {} : { bind }),
      genesis,
      certificate: () => membership().certificate,
      device,
      words,
      book: this.book,
      door: this.queue,
      crypto,
      clock,
      random,
      log,
      saveBook: () => this.saveBook(),
      grant: (request) => this.grant(request),
      onKnock: (id, knock) => this.onKnock(id, knock),
      onEnd: (id, outcome) => this.onEnd(id, outcome)
    })
  }

  private async grant(request: GrantRequest): Promise<Grant> {
    const { name, grant } = await signNewcomer(request, this.options)
    const peer = peerIdOf(request.device)
    for (const shown of this.knocks.values()) if (shown.peer === peer && shown.state === 'waiting') shown.name = name
    return grant
  }

  private onKnock(id: number, knock: Knock): void {
    const { name, words, platform, atDoor } = knock
    if (this.knocks.size >= 4 * KNOCKS_SHOWN) this.knocks.delete(this.knocks.keys().next().value!)
    this.knocks.set(id, { name, words, platform, atDoor, state: 'waiting', peer: peerIdOf(knock.device) })
    this.options.onEvent?.({ k: 'changed' })
  }

  private onEnd(id: number, outcome: { joined: boolean; text: string }): void {
    const knock = this.knocks.get(id)
    if (knock === undefined) return
    knock.state = outcome.joined ? 'joined' : 'refused'
    const { peer, name, atDoor } = knock
    this.options.onEvent?.(
      outcome.joined
        ? { k: 'joined', peer, name, by: atDoor ? 'door' : 'invite' }
        : { k: 'refused', name, text: outcome.text }
    )
    // A used-up invite may have been the last reason to listen.
    this.onTimer()
  }

  private requireSigner(): void {
    if (this.options.membership().signing === undefined) throw noSigner(this.options.genesis)
  }

  private saveBook(): void {
    writePrivate(join(this.options.dir, BOOK_FILE), encodeBook(this.book))
  }

  /** A damaged book lets nobody in: that is safe, and said. */
  private readBook(bytes: Uint8Array): InviteBook {
    try {
      return decodeBook(bytes)
    } catch (error) {
      this.options.log.warn('the book of invites is damaged; all invites made here are void', { error: error as Error })
      return emptyBook()
    }
  }
}

function requireSpan(what: string, ms: number, maxMs: number): void {
  if (Number.isFinite(ms) && ms >= 1000 && ms <= maxMs) return
  throw new MeshError('BAD_REQUEST', `${what} lives 1 s to ${Math.floor(maxMs / 60_000)} minutes, not ${ms / 1000} s`)
}
