/**
 * Passwords as argon2id verifiers in PHC form, with the parameters inside: 64 MiB, 3 passes (about 0.2 s). Each costs
 * memory, so two run at once, 16 wait, and the rest is refused as BUSY: a flood of logins does not fill the PC.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { MeshError } from '../../protocols/errors.ts'

export interface Argon2Cost {
  memoryKiB: number
  passes: number
}
export const COST: Argon2Cost = { memoryKiB: 64 << 10, passes: 3 }
/** A verifier from the ledger may ask for no more than this, whoever wrote it. */
const COST_MAX: Argon2Cost = { memoryKiB: 256 << 10, passes: 10 }
const AT_ONCE = 2
const QUEUE_MAX = 16
const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/

export class Passwords {
  readonly #cost: Argon2Cost
  #running = 0
  readonly #waiting: (() => void)[] = []
  #decoy: Promise<string> | undefined

  constructor(cost: Argon2Cost = COST) {
    this.#cost = cost
  }

  async hash(password: string): Promise<string> {
    const salt = randomBytes(16)
    const key = await this.#derive(password, salt, this.#cost)
    return `$argon2id$v=19$m=${this.#cost.memoryKiB},t=${this.#cost.passes},p=1$${base64(salt)}$${base64(key)}`
  }

  /** `stale`: right, and made with other parameters than today's. Takes as long for a user that does not exist. */
  async verify(password: string, phc: string | undefined): Promise<'right' | 'stale' | 'wrong'> {
    const match = PHC.exec(phc ?? (await (this.#decoy ??= this.hash('nobody has this password'))))
    if (match === null) return 'wrong'
    const cost = { memoryKiB: Number(match[1]), passes: Number(match[2]) }
    if (cost.memoryKiB > COST_MAX.memoryKiB || cost.memoryKiB < 8 || cost.passes > COST_MAX.passes || cost.passes < 1)
      return 'wrong'
    const key = await this.#derive(password, Buffer.from(match[3]!, 'base64'), cost)
    if (!timingSafeEqual(key, Buffer.from(match[4]!, 'base64')) || phc === undefined) return 'wrong'
    return cost.memoryKiB === this.#cost.memoryKiB && cost.passes === this.#cost.passes ? 'right' : 'stale'
  }

  async #derive(password: string, salt: Buffer, cost: Argon2Cost): Promise<Buffer> {
    await this.#turn()
    try {
      return await new Promise<Buffer>((done, fail) =>
        argon2(
          'argon2id',
          // One person may type a letter as one code point, another as two.
          {
            message: password.normalize('NFKC'),
            nonce: salt,
            parallelism: 1,
            tagLength: 32,
            memory: cost.memoryKiB,
            passes: cost.passes
          },
          (error, key) => (error === null ? done(key) : fail(error))
        )
      )
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < AT_ONCE) {
      this.#running++
      return
    }
    if (this.#waiting.length >= QUEUE_MAX)
      throw new MeshError('BUSY', `${QUEUE_MAX} logins are waiting already; try again in some seconds`)
    await new Promise<void>((go) => this.#waiting.push(go))
  }
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
