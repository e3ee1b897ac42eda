/** What the doors ask of single sessions: to run one, show it, stop it, watch it, and hand out its files. */
import type { Readable } from 'node:stream'
import { MeshError } from '../protocols/errors.ts'
import type { Random } from '../protocols/ports.ts'
import type { SessionRecord, SpecInput } from '../protocols/session/index.ts'
import type { BlobCache } from './adapters/blob-cache.ts'
import type { PeerHost } from './adapters/host.ts'
import { blobSources, watchSession } from './attachment.ts'
import type { WatchOptions } from './attachment.ts'
import { BLOB_MAX_BYTES, fetchBlob, findBlob } from './blob-transfer.ts'
import { openDisplay } from './display-transfer.ts'
import type { Attachment, Created, DisplayLine, Principal } from './http/api.ts'
import type { SessionView } from './http/views.ts'
import type { Member } from './member.ts'
import { specOf } from './session-spec.ts'

interface Parts {
  dataDir: string
  /** Throws NOT_ACTIVE while this PC is in no mesh. */
  active(): Member
  blobs: BlobCache
  host: PeerHost
  random: Random
}

export class SessionDesk {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async session(id: string): Promise<SessionView> {
    const member = this.#parts.active()
    return await member.wholeView(await this.#record(id))
  }

  async create(input: SpecInput, who: Principal): Promise<Created> {
    const member = this.#parts.active()
    const spec = specOf(input, who)
    if (spec.on !== undefined) spec.on = member.findNode(spec.on)
    if (spec.notOn !== undefined) spec.notOn = member.findNode(spec.notOn)
    if (spec.input !== undefined && !this.#parts.blobs.has(spec.input.hash)) {
      throw new MeshError(
        'BAD_REQUEST',
        `the files ${spec.input.hash.slice(0, 8)} were not uploaded: PUT /api/v1/blobs/{hash} first`
      )
    }
    const nonce = input.nonce === undefined ? this.#parts.random.bytes(16) : Buffer.from(input.nonce, 'hex')
    const { record, durability } = await new Promise<{ record: SessionRecord; durability: number }>(
      (resolve, reject) => {
        member.peer.sessions.submit(spec, nonce, (error, result) =>
          error === undefined ? resolve(result!) : reject(error)
        )
      }
    )
    return { session: member.sessionView(record), durability }
  }

  async stop(id: string, who: Principal): Promise<SessionView> {
    const member = this.#parts.active()
    const record = await this.#record(id)
    await new Promise<void>((resolve, reject) => {
      member.peer.sessions.stop(record, who.name, (error) => (error === undefined ? resolve() : reject(error)))
    })
    return member.sessionView(await this.#record(record.id))
  }

  async takeOver(id: string, who: Principal): Promise<SessionView> {
    const member = this.#parts.active()
    const record = await this.#record(id)
    await new Promise<void>((resolve, reject) => {
      member.peer.sessions.takeOver(record, who.name, (error) => (error === undefined ? resolve() : reject(error)))
    })
    return await member.wholeView(await this.#record(record.id))
  }

  async discardForks(id: string, _who: Principal): Promise<SessionView> {
    const member = this.#parts.active()
    const record = await this.#record(id)
    await new Promise<void>((resolve, reject) => {
      member.peer.sessions.discardForks(record.id, (error) => (error === undefined ? resolve() : reject(error)))
    })
    return member.sessionView(record)
  }

  async display(id: string): Promise<DisplayLine> {
    const { peer } = this.#parts.active()
    return await openDisplay(peer, this.#parts.dataDir, await this.#record(id))
  }

  async attach(id: string, options: WatchOptions): Promise<Attachment> {
    const member = this.#parts.active()
    const record = await this.#record(id)
    return watchSession(
      { peer: member.peer, host: this.#parts.host, view: (found) => member.sessionView(found) },
      record.id,
      options
    )
  }

  async getBlob(hash: string): Promise<{ bytes: number; content: Readable }> {
    if (!this.#parts.blobs.has(hash)) {
      const { peer } = this.#parts.active()
      const record = [...peer.summaries()].find((one) => one.output?.hash === hash || one.spec.input?.hash === hash)
      const sources = blobSources(
        record,
        [...peer.members()].map((member) => member.peer)
      )
      const source = await findBlob(peer, hash, sources)
      if (source === undefined)
        throw new MeshError('PEER_UNREACHABLE', `no PC that can be reached has the files ${hash.slice(0, 8)}`)
      await fetchBlob(peer, this.#parts.blobs, { hash, bytes: BLOB_MAX_BYTES }, [source])
    }
    return await this.#parts.blobs.open(hash)
  }

  async #record(id: string): Promise<SessionRecord> {
    const { peer } = this.#parts.active()
    const known = [...peer.summaries()].filter((record) => record.id.startsWith(id))
    const local = [...peer.sessions.records.all.values()].filter((record) => record.id.startsWith(id))
    const ids = [...new Set([...known, ...local].map((record) => record.id))]
    if (ids.length > 1) throw new MeshError('BAD_REQUEST', `${ids.length} sessions begin with ${id}; give more digits`)
    if (ids[0] === undefined)
      throw new MeshError('UNKNOWN_SESSION', `no session begins with ${id}; \`omega ps --all\` lists them`)
    const record = await new Promise<SessionRecord | undefined>((resolve) => peer.record(ids[0]!, resolve))
    if (record === undefined)
      throw new MeshError('UNKNOWN_SESSION', `session ${id} is known, and none of its keepers can be reached`)
    return record
  }
}
