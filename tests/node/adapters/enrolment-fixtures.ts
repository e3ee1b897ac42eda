/** Members and newcomers on loopback: real libp2p, real files in a folder that the test removes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../node/adapters/clock.ts'
import { deviceCrypto } from '../../../node/adapters/crypto.ts'
import { openEnrolmentDesk } from '../../../node/adapters/enrolment-desk.ts'
import type { DeskEvent, DeskOptions } from '../../../node/adapters/enrolment-desk.ts'
import type { NewcomerOptions } from '../../../node/adapters/enrolment-newcomer.ts'
import { systemRandom } from '../../../node/adapters/random.ts'
import {
  BIP39_ENGLISH,
  foundMesh,
  keepEnrolled,
  loadDeviceSeed,
  loadMembership
} from '../../../node/security/identity.ts'
import { makeTlsKey } from '../../../node/security/mesh-ca.ts'
import { peerIdOf } from '../../../protocols/codec.ts'
import type { Clock, Log } from '../../../protocols/ports.ts'

export const clock = systemClock()
const random = systemRandom()
const log: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** A clock whose timers fire when the test says so, and whose date the test sets. */
export function handClock() {
  let wall = clock.wall()
  const armed = new Map<object, { fn: () => void; at: number }>()
  const hand: Clock = {
    mono: () => wall,
    wall: () => wall,
    setTimeout(fn, delayMs) {
      const timer = {}
      armed.set(timer, { fn, at: wall + delayMs })
      return timer
    },
    clearTimeout: (timer) => void armed.delete(timer as object),
    onWake: () => {}
  }
  const advance = (ms: number): void => {
    wall += ms
    for (const [timer, { fn, at }] of [...armed]) if (at <= wall && armed.delete(timer)) fn()
  }
  return { hand, advance }
}

export class Site {
  private readonly closers: (() => Promise<unknown>)[] = []
  private readonly dirs: string[] = []

  folder(): string {
    const dir = mkdtempSync(join(tmpdir(), 'omega-enrol-'))
    this.dirs.push(dir)
    return dir
  }

  /** The first PC of a mesh with its desk. */
  async signer(over: Partial<DeskOptions> = {}) {
    const dir = this.folder()
    const deviceSeed = loadDeviceSeed(dir)
    const { genesis, membership } = await foundMesh({
      dir,
      deviceSeed,
      meshName: 'home',
      peerName: 'attic',
      host: 'attic',
      ips: [],
      wall: clock.wall()
    })
    return await this.desk({ dir, genesis, membership: () => membership, ...over })
  }

  async desk(given: Pick<DeskOptions, 'dir' | 'genesis' | 'membership'> & Partial<DeskOptions>) {
    const crypto = deviceCrypto(loadDeviceSeed(given.dir))
    const events: DeskEvent[] = []
    const waiters: { test: (event: DeskEvent) => boolean; done: () => void }[] = []
    const options: DeskOptions = {
      device: crypto.publicKey,
      words: BIP39_ENGLISH,
      port: 0,
      portFixed: true,
      bind: '127.0.0.1',
      crypto,
      clock,
      random,
      log,
      members: () => [{ peer: peerIdOf(crypto.publicKey), addresses: ['/ip4/127.0.0.1/tcp/7777'] }],
      isNameTaken: (name) => name === 'attic',
      onEvent(event) {
        events.push(event)
        for (const waiter of [...waiters]) {
          if (!waiter.test(event)) continue
          waiters.splice(waiters.indexOf(waiter), 1)
          waiter.done()
        }
      },
      ...given
    }
    const desk = await openEnrolmentDesk(options)
    this.closers.push(() => desk.close())
    /** Resolves at the first event, past or coming, that fits. */
    const event = (test: (event: DeskEvent) => boolean): Promise<void> =>
      events.some(test) ? Promise.resolve() : new Promise((done) => waiters.push({ test, done }))
    const until = async (holds: () => boolean): Promise<void> => {
      if (!holds()) await new Promise<void>((done) => waiters.push({ test: holds, done }))
    }
    return { desk, dir: given.dir, options, events, event, until, peer: peerIdOf(crypto.publicKey) }
  }

  async newcomer(name: string, over: Partial<NewcomerOptions> = {}) {
    const dir = this.folder()
    const crypto = deviceCrypto(loadDeviceSeed(dir))
    const tls = await makeTlsKey()
    const options: NewcomerOptions = {
      device: crypto.publicKey,
      crypto,
      spki: tls.spki,
      name,
      host: 'den',
      ips: ['192.168.7.7'],
      words: BIP39_ENGLISH,
      clock,
      random,
      log,
      keep: (enrolled) => void keepEnrolled(dir, enrolled, tls),
      ...over
    }
    return { dir, options, peer: peerIdOf(crypto.publicKey), membership: () => loadMembership(dir) }
  }

  async end(): Promise<void> {
    for (const close of this.closers.splice(0)) await close()
    for (const dir of this.dirs.splice(0)) rmSync(dir, { recursive: true })
  }
}
