/**
 * mDNS on one network interface, by multicast-dns. Every socket of the port hears every interface, so packets count only
 * when they come from this one's subnet. Tells whether the last packet could be sent, because a PC without a way for
 * multicast fails in silence otherwise.
 */
import multicastDns from 'multicast-dns'
import { isOnSubnet } from './interfaces.ts'
import type { LanInterface } from './interfaces.ts'
import type { Answer } from './mdns-records.ts'

/** Records of one packet that are looked at. */
const RECORDS_MAX = 100

export interface MdnsListener {
  /** Somebody on this interface asks for that service. */
  asked(socket: MdnsSocket, service: string): void
  /** Somebody on this interface answers. */
  heard(socket: MdnsSocket, answers: readonly Answer[]): void
}

export class MdnsSocket {
  readonly lan: LanInterface
  /** Why the last packet could not be sent, or the port not be opened; undefined when all is well. */
  trouble: string | undefined
  readonly #mdns: multicastDns.MulticastDNS
  #closed = false

  constructor(lan: LanInterface, listener: MdnsListener) {
    this.lan = lan
    // `bind` to all: a socket bound to one address does not hear multicast.
    this.#mdns = multicastDns({ interface: lan.ipv4, bind: '0.0.0.0' })
    this.#mdns.on('error', (error: Error) => (this.trouble = error.message))
    this.#mdns.on('warning', (error: NodeJS.ErrnoException) => {
      // A packet that is no DNS says nothing about this interface; a system call that failed does.
      if (error.syscall !== undefined) this.trouble = error.message
    })
    this.#mdns.on('query', (packet, from) => {
      if (this.#closed || !isOnSubnet(from.address, lan)) return
      for (const question of (packet.questions ?? []).slice(0, RECORDS_MAX)) listener.asked(this, question.name)
    })
    this.#mdns.on('response', (packet, from) => {
      if (this.#closed || !isOnSubnet(from.address, lan)) return
      listener.heard(this, [...(packet.answers ?? []), ...(packet.additionals ?? [])].slice(0, RECORDS_MAX))
    })
  }

  ask(service: string): void {
    this.#mdns.query({ questions: [{ name: service, type: 'PTR' }] }, this.#sent)
  }

  answer(answers: Answer[]): void {
    this.#mdns.respond({ answers }, this.#sent)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await new Promise<void>((resolve) => this.#mdns.destroy(resolve))
  }

  readonly #sent = (error?: Error | null): void => {
    this.trouble = error?.message
  }
}
