/**
 * Keeps this PC's certificates current: the membership certificate from a third of its life on, the TLS leaf also when
 * names or addresses changed. A signer renews its own; others ask the signers they are linked to.
 */
import { createHash, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { z } from 'zod'
import { decodeAs, encodeCbor, peerIdOf } from '../protocols/codec.ts'
import { MeshError } from '../protocols/errors.ts'
import {
  bytesUpTo,
  certificateNeedsRenewal,
  readCertificate,
  renewCertificate,
  verifyCertificate
} from '../protocols/joining/index.ts'
import type { Genesis } from '../protocols/joining/index.ts'
import type { Peer } from '../protocols/peer/index.ts'
import type { PeerId } from '../protocols/ports.ts'
import type { MemberParts } from './member.ts'
import { hostLabel, saveMembership } from './security/identity.ts'
import type { Membership } from './security/identity.ts'
import { checkLeaf, fingerprint, issueLeaf, leafNeedsRenewal } from './security/mesh-ca.ts'

/** Addresses may change at any time; looking is cheap. */
const CHECK_MS = 60_000
const FIRST_CHECK_MS = 5_000
const ANSWER_MS = 5_000

const Request = z.object({ spki: bytesUpTo(512), host: z.string().max(63), ips: z.array(z.string().max(64)).max(16) })
const Answer = z.object({ certificate: bytesUpTo(4096), leaf: bytesUpTo(4096) })
type Request = z.infer<typeof Request>

export class Renewal {
  membership: Membership
  readonly #parts: MemberParts
  readonly #genesis: Genesis
  #peer: Peer | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(parts: MemberParts, genesis: Genesis) {
    this.#parts = parts
    this.#genesis = genesis
    this.membership = parts.membership
  }

  leafFingerprint(): string {
    return fingerprint(this.membership.leaf).replaceAll(':', '').toLowerCase()
  }

  /** Answers other members where this PC is a signer, and keeps its own current. */
  serve(peer: Peer): void {
    this.#peer = peer
    peer.rpc.serve('renew', (from, arg, answer) => {
      this.#renewFor(from, arg).then(
        (renewed) => answer(undefined, renewed),
        (error: unknown) =>
          answer(error instanceof MeshError ? error : new MeshError('DENIED', (error as Error).message))
      )
    })
    this.#arm(FIRST_CHECK_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #arm(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#check().then(
        () => this.#arm(CHECK_MS),
        (error: Error) => {
          this.#parts.log.warn('certificates could not be renewed', { cause: error.message })
          this.#arm(CHECK_MS)
        }
      )
    }, ms)
    this.#timer.unref()
  }

  async #check(): Promise<void> {
    const wall = this.#parts.clock.wall()
    const names = ownNames()
    const due =
      leafNeedsRenewal(this.membership.leaf, names, wall) ||
      certificateNeedsRenewal(readCertificate(this.membership.certificate), wall)
    if (!due) return
    const request: Request = { spki: this.#spki(), ...names }
    const renewed =
      this.membership.signing === undefined ? await this.#ask(request) : await this.#renewFor(this.#peer!.self, request)
    const device = this.#peer!.self
    verifyCertificate(renewed.certificate, { genesis: this.#genesis, device, wall, crypto: this.#parts.crypto })
    checkLeaf(renewed.leaf, this.membership.ca, request.spki)
    this.membership = { ...this.membership, ...renewed }
    saveMembership(this.#parts.config.dataDir, this.membership)
    this.#parts.log.info('certificates renewed')
  }

  async #ask(request: Request): Promise<{ certificate: Uint8Array; leaf: Uint8Array }> {
    const peer = this.#peer!
    let last = new MeshError('PEER_UNREACHABLE', 'no PC that may renew certificates can be reached now')
    for (const member of peer.members()) {
      if (!peer.isReachable(member.peer)) continue
      try {
        const answer = await new Promise<unknown>((resolve, reject) => {
          peer.rpc.ask(member.peer, 'renew', request, ANSWER_MS, (error, value) =>
            error === undefined ? resolve(value) : reject(error)
          )
        })
        return decodeAs(Answer, encodeCbor(answer), 'renewed certificates')
      } catch (error) {
        last = error as MeshError
      }
    }
    throw last
  }

  async #renewFor(from: PeerId, arg: unknown): Promise<{ certificate: Uint8Array; leaf: Uint8Array }> {
    const { signing, ca } = this.membership
    const { crypto, clock } = this.#parts
    if (signing === undefined) throw new MeshError('DENIED', 'this PC is no signer')
    const request = decodeAs(Request, encodeCbor(arg), 'request for renewal')
    const current =
      this.#peer!.certificateOf(from) ??
      (from === this.#peer!.self ? readCertificate(this.membership.certificate) : undefined)
    if (current === undefined || peerIdOf(current.device) !== from)
      throw new MeshError('NOT_MEMBER', 'only a linked member can renew')
    const wall = clock.wall()
    const leaf = await issueLeaf(
      { ca, caKey: signing.caKey },
      { name: current.name, host: request.host, ips: request.ips, spki: request.spki, wall }
    )
    const tls = new Uint8Array(createHash('sha256').update(request.spki).digest())
    const input = {
      genesis: this.#genesis,
      issuer: crypto.publicKey,
      delegation: signing.delegation,
      serial: new Uint8Array(randomBytes(16)),
      wall,
      tls
    }
    return { certificate: renewCertificate(current, input, (bytes) => crypto.sign(bytes)), leaf }
  }

  #spki(): Uint8Array {
    const key = createPrivateKey({ key: Buffer.from(this.membership.tlsKey), format: 'der', type: 'pkcs8' })
    return new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }))
  }
}

/** What a browser may call this PC. */
export function ownNames(): { host: string; ips: string[] } {
  const ips = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter((a) => !a.internal && !a.address.startsWith('fe80')).map((a) => a.address)
  )
  ips.sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')))
  return { host: hostLabel(), ips: [...new Set(ips)].slice(0, 8) }
}
