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

/** 64 bytes, like Ed25519. Two multiply-xor lanes over key and bytes, spread out: nobody here tries to forge one. */
function tag(secret: Uint8Array, bytes: Uint8Array): Uint8Array {
  let a = 0x811c9dc5 ^ bytes.length
  let b = 0x2545f491
  for (let i = 0; i < secret.length; i++) {
    a = Math.imul(a ^ secret[i]!, 0x01000193)
    b = Math.imul(b + secret[i]!, 0x9e3779b1) ^ (b >>> 13)
  }
  for (let i = 0; i < bytes.length; i++) {
    a = Math.imul(a ^ bytes[i]!, 0x01000193)
    b = Math.imul(b + bytes[i]!, 0x9e3779b1) ^ (b >>> 13)
  }
  const out = new Uint8Array(64)
  for (let i = 0; i < 64; i += 4) {
    a = Math.imul(a ^ (b >>> 15), 0x85ebca6b) + i
    b = Math.imul(b ^ (a >>> 13), 0xc2b2ae35)
    const word = a ^ b
    out[i] = word
    out[i + 1] = word >>> 8
    out[i + 2] = word >>> 16
    out[i + 3] = word >>> 24
  }
  return out
}

function nameOf(publicKey: Uint8Array): string {
  return Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength).toString('latin1')
}
