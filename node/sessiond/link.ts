/**
 * One local connection between the peer and sessiond, the same class on both ends. First both prove the secret of the
 * data folder by HMAC over the other's nonce, so that neither a squatter on the pipe's name nor another user gets further.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import { MeshError } from '../../protocols/errors.ts'
import { FrameReader, LOCAL_QUEUE_MAX, SESSIOND_WIRE, localFrame } from './wire.ts'
import type { LocalMessage } from './wire.ts'

/** Starting means to read the notes of thousands of runs first; a stuck one is ended after this. */
const HANDSHAKE_MS = 10_000
/** What waits is given this long to be taken. */
const END_MS = 1000
const NONCE_BYTES = 32

export type Role = 'peer' | 'sessiond'

export class Link {
  readonly #socket: Socket
  #onMessage: ((message: LocalMessage) => void) | undefined
  #onClose: ((why: string) => void) | undefined
  /** What came while nobody listened: between the handshake and the first `listen`, one turn of the loop. */
  #early: LocalMessage[] = []
  readonly #enders: ((why: string) => void)[] = []
  #why = 'closed by the other side'
  #closed = false

  constructor(socket: Socket) {
    this.#socket = socket
    const reader = new FrameReader()
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) {
          if (this.#closed) return
          if (this.#onMessage === undefined) this.#early.push(message)
          else this.#onMessage(message)
        }
      } catch (error) {
        if (!(error instanceof MeshError)) throw error
        this.close(error.message)
      }
    })
    socket.on('error', (error) => (this.#why = error.message))
    socket.on('close', () => {
      this.#closed = true
      this.#onClose?.(this.#why)
      for (const listener of this.#enders) listener(this.#why)
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Messages in order; `onClose` once, at the end. */
  listen(onMessage: (message: LocalMessage) => void, onClose: (why: string) => void): void {
    this.#onMessage = onMessage
    this.#onClose = onClose
    for (const message of this.#early.splice(0)) onMessage(message)
  }

  /** For whoever keeps the link and does not read from it. */
  onEnd(listener: (why: string) => void): void {
    if (this.#closed) queueMicrotask(() => listener(this.#why))
    else this.#enders.push(listener)
  }

  /** Holds messages back until the next `listen`. */
  hold(): void {
    this.#onMessage = undefined
  }

  /** False when the link is gone, or is given up now because the other side does not read. */
  send(message: object): boolean {
    if (this.#closed) return false
    if (this.#socket.writableLength > LOCAL_QUEUE_MAX) {
      this.close(`the other side left ${this.#socket.writableLength} bytes unread`)
      return false
    }
    this.#socket.write(localFrame(message))
    return true
  }

  close(why: string): void {
    if (this.#closed) return
    this.#why = why
    this.#closed = true
    this.#socket.destroy()
  }

  /** Sends what waits, then closes. */
  end(why: string): void {
    this.#why = why
    this.#closed = true
    this.#socket.end()
    setTimeout(() => this.#socket.destroy(), END_MS).unref()
  }
}

/** Proves both ends to each other. Rejects with HOST_FAILED (or WIRE_VERSION) and closes the socket. */
export function shakeHands(socket: Socket, role: Role, secret: Buffer): Promise<Link> {
  return new Promise((resolve, reject) => {
    const link = new Link(socket)
    const mine = randomBytes(NONCE_BYTES)
    let theirs: Uint8Array | undefined
    const timer = setTimeout(() => fail(`no answer within ${HANDSHAKE_MS} ms`), HANDSHAKE_MS)

    const fail = (why: string, code: 'HOST_FAILED' | 'WIRE_VERSION' = 'HOST_FAILED') => {
      clearTimeout(timer)
      link.close(why)
      reject(new MeshError(code, `local handshake as ${role}: ${why}`))
    }
    const onMessage = (message: LocalMessage) => {
      if (message.t === 'hello' && theirs === undefined) {
        if (message.v !== SESSIOND_WIRE)
          return fail(`the other side speaks version ${String(message.v)}, this one ${SESSIOND_WIRE}`, 'WIRE_VERSION')
        if (!(message.nonce instanceof Uint8Array) || message.nonce.length !== NONCE_BYTES) return fail('bad hello')
        theirs = message.nonce
        link.send({ t: 'proof', mac: proof(secret, role, theirs) })
      } else if (message.t === 'proof' && theirs !== undefined) {
        const expected = proof(secret, role === 'peer' ? 'sessiond' : 'peer', mine)
        const mac = message.mac
        if (!(mac instanceof Uint8Array) || mac.length !== expected.length || !timingSafeEqual(mac, expected))
          return fail('the other side does not know the secret of the data folder')
        clearTimeout(timer)
        link.hold()
        resolve(link)
      } else fail(`unexpected "${message.t}"`)
    }
    link.listen(onMessage, fail)
    link.send({ t: 'hello', v: SESSIOND_WIRE, nonce: mine })
  })
}

function proof(secret: Buffer, role: Role, nonce: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`omega-sessiond-${role}\0`).update(nonce).digest()
}
