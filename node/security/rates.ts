/**
 * Limits of tries, in memory: logins by user and address together and by address alone, all requests by address. What is
 * over a limit never reaches a password check.
 */
import RateLimiterMemory from 'rate-limiter-flexible/lib/RateLimiterMemory.js'
import { DoorError } from '../http/errors.ts'

export interface RateLimits {
  /** Failed logins of one name from one address in 15 minutes. */
  loginsPerUser: number
  /** Failed logins from one address in 15 minutes. */
  loginsPerAddress: number
  /** Requests from one address in 10 s. */
  requests: number
}
export const RATES: RateLimits = { loginsPerUser: 10, loginsPerAddress: 50, requests: 1000 }

export class Rates {
  readonly #byUser: RateLimiterMemory
  readonly #byAddress: RateLimiterMemory
  readonly #requests: RateLimiterMemory

  constructor(limits: RateLimits = RATES) {
    this.#byUser = new RateLimiterMemory({ points: limits.loginsPerUser, duration: 900, keyPrefix: 'u' })
    this.#byAddress = new RateLimiterMemory({ points: limits.loginsPerAddress, duration: 900, keyPrefix: 'a' })
    this.#requests = new RateLimiterMemory({ points: limits.requests, duration: 10, keyPrefix: 'r' })
  }

  /** Counts a request. Rejects RATE_LIMITED. */
  async request(address: string): Promise<void> {
    await consume(this.#requests, networkOf(address), 'requests from this address')
  }

  /** Counts a try before it is checked, so that tries at the same moment count too. Rejects RATE_LIMITED. */
  async loginTry(user: string, address: string): Promise<void> {
    await consume(this.#byAddress, networkOf(address), 'failed logins from this address')
    await consume(this.#byUser, `${user}\n${networkOf(address)}`, `failed logins of ${user} from this address`)
  }

  /** It was right: it counts no more. */
  async loginDone(user: string, address: string): Promise<void> {
    await this.#byUser.delete(`${user}\n${networkOf(address)}`)
    await this.#byAddress.reward(networkOf(address), 1)
  }
}

async function consume(limiter: RateLimiterMemory, key: string, what: string): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (refusal) {
    if (refusal instanceof Error) throw refusal
    const seconds = Math.ceil(((refusal as { msBeforeNext?: number }).msBeforeNext ?? 1000) / 1000)
    throw new DoorError(429, 'RATE_LIMITED', `too many ${what}; try again in ${seconds} s`)
  }
}

/** One PC has a whole /64 of IPv6 addresses to come from. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail = ''] = plain.split('::')
  const left = head.split(':').filter(Boolean)
  const right = tail.split(':').filter(Boolean)
  const groups = plain.includes('::')
    ? [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
    : left
  return groups.slice(0, 4).join(':')
}
