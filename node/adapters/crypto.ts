/**
 * Hashes and Ed25519 signatures by the runtime's OpenSSL, synchronously, as the kernels want them. `verify` is fed by
 * strangers: whatever is malformed is false.
 */
import { createHash, createHmac, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Crypto } from '../../protocols/ports.ts'
import { MeshError } from '../../protocols/errors.ts'

/** DER of a PKCS #8 Ed25519 private key and of an SPKI public key up to the 32 key bytes (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
/** Key objects kept; a mesh of some hundred peers fits, each costs about a kilobyte. */
const KEYS_MAX = 1024

/** `seed`: the 32 secret bytes of this PC's Ed25519 device key. */
export function deviceCrypto(seed: Uint8Array): Crypto & { readonly publicKey: Uint8Array } {
  if (seed.length !== 32)
    throw new MeshError('BAD_REQUEST', `a device key has 32 secret bytes, this one ${seed.length}`)
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const keys = new Map<string, KeyObject>()

  function keyOf(raw: Uint8Array): KeyObject {
    const name = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1')
    let key = keys.get(name)
    if (key === undefined) {
      key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
      if (keys.size >= KEYS_MAX) keys.delete(keys.keys().next().value!)
      keys.set(name, key)
    }
    return key
  }

  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
    sha256(...parts) {
      const hash = createHash('sha256')
      for (const part of parts) hash.update(part)
      return new Uint8Array(hash.digest())
    },
    hmac(key, ...parts) {
      const mac = createHmac('sha256', key)
      for (const part of parts) mac.update(part)
      return new Uint8Array(mac.digest())
    },
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
    verify(publicKey, bytes, signature) {
      if (publicKey.length !== 32 || signature.length !== 64) return false
      try {
        return verify(null, bytes, keyOf(publicKey), signature)
      } catch {
        return false // a public key that is no point of the curve
      }
    }
  }
}
