/**
 * Which mesh this PC belongs to: none yet, looking for one, or a member of one. A membership comes by invite, by an open
 * door, or by making a mesh, and may be given up again; what outlives it is handed in.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../protocols/errors.ts'
import { readCertificate } from '../protocols/joining/index.ts'
import type { Enrolled } from '../protocols/joining/index.ts'
import { enrolByInvite } from './adapters/enrolment-newcomer.ts'
import type { NewcomerOptions } from './adapters/enrolment-newcomer.ts'
import type { LevelStore } from './adapters/level-store.ts'
import type { Change } from './http/api.ts'
import { Member } from './member.ts'
import type { MemberParts } from './member.ts'
import { Newcomer } from './newcomer.ts'
import type { LookOutcome } from './newcomer.ts'
import { ownNames } from './renewal.ts'
import { clearScope, scopedStore } from './scoped-store.ts'
import { BIP39_ENGLISH, forgetMembership, foundMesh, saveMembership } from './security/identity.ts'
import type { Membership } from './security/identity.ts'
import { certificatePem, checkLeaf, issueLeaf, makeMeshCa, makeTlsKey, privateKeyPem } from './security/mesh-ca.ts'

/** How this PC shall come to a mesh when it has none. */
export interface Entry {
  /** A mesh of its own at once. */
  makeNew: boolean
  invite?: string
  acceptOpenDoor: boolean
}

interface Parts extends Omit<MemberParts, 'membership' | 'store'> {
  peerId: string
  store: LevelStore
  /** Told once each: a line for the person at the terminal. */
  say(line: string): void
  changed(change: Change): void
  isEnding(): boolean
  /** No mesh could be entered: the process has no purpose. */
  failed(error: MeshError): Promise<void>
}

export class Belonging {
  /** What HTTPS shows before there is a mesh CA. */
  #temporaryTls: { key: string; cert: string; ca: string } | undefined
  #tlsKey: { tlsKey: Uint8Array; spki: Uint8Array } | undefined
  #member: Member | undefined
  #newcomer: Newcomer | undefined
  readonly #said = new Set<string>()
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get member(): Member | undefined {
    return this.#member
  }
  get newcomer(): Newcomer | undefined {
    return this.#newcomer
  }

  active(): Member {
    if (this.#member === undefined)
      throw new MeshError(
        'NOT_ACTIVE',
        this.#newcomer === undefined
          ? 'this peer is still starting'
          : 'this PC has no mesh yet: join one, or make one with `omega up --new`'
      )
    return this.#member
  }

  tls(): { key: string; cert: string; ca: string } {
    const membership = this.#member?.renewal.membership
    if (membership === undefined) return this.#temporaryTls!
    return {
      key: privateKeyPem(membership.tlsKey),
      cert: certificatePem(membership.leaf) + certificatePem(membership.ca),
      ca: certificatePem(membership.ca)
    }
  }

  /** With a membership from disk: in. Without: `look` is next. */
  async begin(membership: Membership | undefined): Promise<void> {
    if (membership === undefined) await this.#makeTemporaryTls()
    else await this.#become(membership)
  }

  /** Joins by invite, makes a mesh, or looks for an open door for some seconds before it makes one. Never rejects. */
  async look({ makeNew, acceptOpenDoor, invite }: Entry): Promise<void> {
    try {
      const enrol = await this.#newcomerOptions()
      if (makeNew) return await this.#makeMesh()
      const newcomer = new Newcomer({
        lookMs: this.#parts.config.lookMs,
        acceptOpenDoor,
        ...(invite === undefined ? {} : { invite }),
        enrol,
        clock: this.#parts.clock,
        log: this.#parts.log,
        onChange: () => {
          this.#parts.changed('status')
          for (const offer of this.#newcomer?.offers() ?? [])
            this.#sayOffer(
              offer.id,
              `"${offer.meshName}" (${offer.memberName}) has its door open. Six words: ${offer.words}`
            )
        }
      })
      this.#newcomer = newcomer
      void newcomer.outcome.then((outcome) => this.#arrive(outcome))
    } catch (error) {
      await this.#notEntered('the mesh could not be entered', error)
    }
  }

  async join(invite: string): Promise<void> {
    const member = this.#member
    if (member === undefined) {
      const newcomer = this.#newcomer
      if (newcomer === undefined)
        throw new MeshError('NOT_ACTIVE', 'this peer is still starting; try again in a moment')
      await newcomer.join(invite)
      return await this.#afterJoining(newcomer)
    }
    this.#refuseToMove(member)
    // The old mesh is given up only once the new membership is on disk.
    const enrolled = await enrolByInvite(invite, await this.#newcomerOptions())
    await this.#end(member, true)
    await this.#become(this.#membershipOf(enrolled))
  }

  async accept(offerId: string): Promise<void> {
    const newcomer = this.#newcomer
    if (newcomer === undefined) throw new MeshError('BAD_REQUEST', 'this PC is not looking for a mesh')
    await newcomer.accept(offerId)
    await this.#afterJoining(newcomer)
  }

  async found(): Promise<void> {
    const newcomer = this.#newcomer
    if (newcomer === undefined)
      throw new MeshError(
        'BAD_REQUEST',
        this.#member === undefined
          ? 'this peer is still starting'
          : `this PC is in mesh "${this.#member.genesis.name}" already`
      )
    newcomer.decline()
    await this.#afterJoining(newcomer)
  }

  async leave(): Promise<void> {
    const member = this.active()
    await this.#end(member, true)
    forgetMembership(this.#parts.config.dataDir)
    rmSync(join(this.#parts.config.dataDir, 'invites.cbor'), { force: true })
    await this.#makeTemporaryTls()
    // What it was started with has served: an invite is used up, and nobody agreed to enter a door again.
    await this.look({ makeNew: false, acceptOpenDoor: false })
    this.#parts.changed('status')
  }

  /** Enters the mesh of this membership. */
  async #become(membership: Membership): Promise<void> {
    const { name } = readCertificate(membership.certificate)
    const scope = `${Buffer.from(this.#parts.crypto.sha256(membership.genesis)).toString('hex').slice(0, 16)}/`
    writeFileSync(join(this.#parts.config.dataDir, 'mesh-ca.pem'), certificatePem(membership.ca), { mode: 0o644 })
    const member = await Member.start({
      ...this.#parts,
      config: { ...this.#parts.config, name },
      membership,
      store: scopedStore(this.#parts.store, scope)
    })
    // The wish of its owner outlives the process; sessiond may be a new one too.
    this.#parts.host.pauseAll(member.peer.sessions.admission.paused)
    this.#member = member
    this.#newcomer = undefined
    member.peer.onChange((what) => {
      if (what === 'ledger' || what === 'doors') this.#parts.changed('status')
      else this.#parts.changed(what)
      if (what === 'nodes') this.#parts.changed('status')
    })
    if (this.#parts.urls().length > 0) member.refresh()
    this.#parts.changed('status')
    this.#parts.changed('nodes')
    this.#parts.changed('sessions')
  }

  async #end(member: Member, forever: boolean): Promise<void> {
    this.#member = undefined
    await member.stop({ drain: true, forever, farewell: true })
    if (!forever) return
    const scope = `${member.genesis.id.slice(0, 16)}/`
    await clearScope(this.#parts.store, scope)
  }

  async #arrive(outcome: LookOutcome): Promise<void> {
    if (outcome.k === 'failed') return await this.#notEntered('joining failed', outcome.error)
    try {
      if (outcome.k === 'enrolled') await this.#become(this.#membershipOf(outcome.enrolled))
      else await this.#makeMesh()
    } catch (error) {
      await this.#notEntered('the mesh could not be entered', error)
    }
  }

  async #notEntered(what: string, error: unknown): Promise<void> {
    const cause = error instanceof Error ? error.message : String(error)
    this.#parts.log.error(what, { cause })
    const code = error instanceof MeshError ? error.code : 'NOT_ACTIVE'
    await this.#parts.failed(new MeshError(code, `${what}: ${cause}`, { cause: error }))
  }

  #sayOffer(id: string, line: string): void {
    if (this.#said.has(id)) return
    this.#said.add(id)
    this.#parts.say(line)
    this.#parts.say('Press Enter to join when the other PC shows the same words, or use the page.')
  }

  async #makeMesh(): Promise<void> {
    const names = ownNames()
    const founded = await foundMesh({
      dir: this.#parts.config.dataDir,
      deviceSeed: this.#parts.seed,
      meshName: this.#parts.config.meshName,
      peerName: this.#parts.config.name,
      ...names,
      wall: this.#parts.clock.wall()
    })
    this.#parts.say(founded.kitNotice)
    await this.#become(founded.membership)
  }

  async #afterJoining(newcomer: Newcomer): Promise<void> {
    const outcome = await newcomer.outcome
    if (outcome.k === 'failed') throw outcome.error
    while (this.#member === undefined && !this.#parts.isEnding())
      await new Promise((resolve) => setTimeout(resolve, 20))
  }

  #refuseToMove(member: Member): void {
    const others = [...member.peer.members()].filter((one) => one.peer !== this.#parts.peerId && one.state !== 'left')
    const live = [...member.peer.summaries()].filter((record) => record.endedAt === undefined)
    if (others.length > 0)
      throw new MeshError(
        'BAD_REQUEST',
        `this PC is in mesh "${member.genesis.name}" with ${others.length} other PCs; \`omega leave\` first`
      )
    if (live.length > 0)
      throw new MeshError(
        'BAD_REQUEST',
        `${live.length} sessions live in mesh "${member.genesis.name}" of this PC; stop them or \`omega leave\` first`
      )
  }

  /** Before there is a mesh, HTTPS has a certificate of its own that nobody is asked to trust for long. */
  async #makeTemporaryTls(): Promise<void> {
    const wall = this.#parts.clock.wall()
    const ca = await makeMeshCa('a PC without a mesh', wall)
    const { tlsKey, spki } = await this.#ownTlsKey()
    const leaf = await issueLeaf(ca, { name: this.#parts.config.name, ...ownNames(), spki, wall })
    this.#temporaryTls = { key: privateKeyPem(tlsKey), cert: certificatePem(leaf), ca: certificatePem(ca.ca) }
  }

  async #ownTlsKey(): Promise<{ tlsKey: Uint8Array; spki: Uint8Array }> {
    return (this.#tlsKey ??= await makeTlsKey())
  }

  async #newcomerOptions(): Promise<NewcomerOptions> {
    const { spki } = await this.#ownTlsKey()
    return {
      device: this.#parts.crypto.publicKey,
      crypto: this.#parts.crypto,
      spki,
      name: this.#parts.config.name,
      ...ownNames(),
      words: BIP39_ENGLISH,
      clock: this.#parts.clock,
      random: this.#parts.random,
      log: this.#parts.log,
      keep: (enrolled) => {
        checkLeaf(enrolled.leaf, enrolled.ca, spki)
        saveMembership(this.#parts.config.dataDir, this.#membershipOf(enrolled))
      }
    }
  }

  #membershipOf(enrolled: Enrolled): Membership {
    return {
      genesis: enrolled.genesis.signed,
      certificate: enrolled.certificate.signed,
      ca: enrolled.ca,
      leaf: enrolled.leaf,
      tlsKey: this.#tlsKey!.tlsKey,
      members: enrolled.members.map(({ peer, addresses }) => ({ peer, addresses: [...addresses] }))
    }
  }
}
