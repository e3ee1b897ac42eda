/** What is known of every session of the mesh: the newest summary of each, and the events a person reads of them. */
import type { Crypto, PeerId, SessionId } from '../ports.ts'
import { compareVersion, isForceGenuine, partsOfUri } from '../session/index.ts'
import type { ForceTakeover, SessionRecord } from '../session/index.ts'
import type { Journal } from './journal.ts'

/** Beyond so many, those that ended first leave; the topic holds 2,000. */
const SUMMARIES_MAX = 1_900

/** Characters of a command in the text of an event. */
const COMMAND_CHARS = 60

export class Summaries {
  readonly all = new Map<SessionId, SessionRecord>()
  readonly #journal: Journal
  readonly #nameOf: (peer: PeerId) => string
  readonly #forget: (id: SessionId) => void
  readonly #crypto: Crypto

  /** `forget`: it need not be told to others any more. */
  constructor(journal: Journal, nameOf: (peer: PeerId) => string, forget: (id: SessionId) => void, crypto: Crypto) {
    this.#journal = journal
    this.#nameOf = nameOf
    this.#forget = forget
    this.#crypto = crypto
  }

  came(record: SessionRecord): void {
    const known = this.all.get(record.id)
    if (known !== undefined && compareVersion(known, record) > 0) return
    this.all.set(record.id, record)
    this.#forgetOld()
    if (known?.state !== record.state) this.#sessionEvent(record)
    if (record.takeover !== undefined && known?.takeover?.epoch !== record.takeover.epoch)
      this.#takeoverEvent(record.id, record.takeover)
    this.#journal.changed('sessions')
  }

  #sessionEvent(record: SessionRecord): void {
    const line = [partsOfUri(record.spec.appUri).rest, ...record.spec.args].join(' ')
    const command = line.length > COMMAND_CHARS ? `${line.slice(0, COMMAND_CHARS - 1)}…` : line
    const where = record.runner === undefined ? '' : ` on ${this.#nameOf(record.runner)}`
    const say = (text: string, level: 'info' | 'warn' = 'info'): void =>
      this.#journal.event({ kind: 'session', level, text, subject: record.id })
    if (record.state === 'running') say(`${command} started${where}`)
    else if (record.state === 'finished')
      say(`${command} ended${where}: ${record.reason ?? ''}`, record.exit?.code === 0 ? 'info' : 'warn')
    else if (record.state === 'failed') say(`${command} failed${where}: ${record.reason ?? ''}`, 'warn')
    else if (record.state === 'stopped') say(`${command} was stopped${where}: ${record.reason ?? ''}`)
  }

  /** Everyone's screen says whose word it was. */
  #takeoverEvent(id: SessionId, force: ForceTakeover): void {
    const text = isForceGenuine(this.#crypto, id, force)
      ? `${force.by} took session ${id.slice(0, 8)} over at ${this.#nameOf(force.peer)}, saying that the PCs that had it are off`
      : `session ${id.slice(0, 8)} was taken over by a word that ${this.#nameOf(force.peer)} has not signed`
    this.#journal.event({ kind: 'security', level: 'warn', text, subject: id })
  }

  /** Finished sessions beyond what the topic holds leave the list, oldest first. */
  #forgetOld(): void {
    if (this.all.size < SUMMARIES_MAX) return
    const ended = [...this.all.values()]
      .filter((record) => record.endedAt !== undefined)
      .sort((a, b) => a.endedAt! - b.endedAt!)
    for (const record of ended.slice(0, 200)) {
      this.all.delete(record.id)
      this.#forget(record.id)
    }
  }
}
