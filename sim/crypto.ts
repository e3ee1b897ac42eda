/**
 * Fast stand-ins for keys and signatures. A signature is a keyed hash that only the holder of the simulated key makes and
 * that everyone in the same world can check; hashes are the real ones. Nothing of this ever meets a real peer.
 */
import { createHmac, hash } from 'node:crypto'
import { peerIdOf } from '../protocols/codec.ts'
import type { Crypto, PeerId } from '../protocols/ports.ts'

export interface SimKey {
  peerId: PeerId
  publicKey: Uint8Array
  sign(bytes: Uint8Array): Uint8Array
}

/** The keys of one simulated world. */
export class KeyRing {
  readonly #seed: number
  readonly #secrets = new Map<string, Uint8Array>()

  constructor(seed: number) {
    this.#seed = seed
  }

  /** Same seed and label, same key. */
  key(label: string): SimKey {
    const secret = sha256(Buffer.from(`secret ${this.#seed} ${label}`))
    const publicKey = sha256(Buffer.from('public'), secret)
    this.#secrets.set(nameOf(publicKey), secret)
    return { peerId: peerIdOf(publicKey), publicKey, sign: (bytes) => tag(secret, bytes) }
  }

  cryptoOf(key: SimKey): Crypto {
    return {
      sha256,
      hmac(hmacKey, ...parts) {
        const mac = createHmac('sha256', hmacKey)
        for (const part of parts) mac.update(part)
        return new Uint8Array(mac.digest())
      },
      sign: key.sign,
      verify: this.#verify
    }
  }

  /** One for all peers: what one of them has checked needs no second check by the others (membership and gossip remember by it). */
  readonly #verify: Crypto['verify'] = (publicKey, bytes, signature) => {
    const secret = this.#secrets.get(nameOf(publicKey))
    return secret !== undefined && Buffer.compare(tag(secret, bytes), signature) === 0
  }
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(hash('sha256', parts.length === 1 ? parts[0]! : Buffer.concat(parts), 'buffer'))
}

/** 64 bytes, like Ed25519. */
function tag(secret: Uint8Array, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha512', Buffer.concat([secret, bytes]), 'buffer'))
}

function nameOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString('latin1')
}
