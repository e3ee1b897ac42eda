/** Ways in which a simulated disk fails, beyond what every store promises. */
import { expect, test } from 'vitest'
import type { MeshError } from '../../protocols/errors.ts'
import { SimProcess, Timeline } from '../../sim/clock.ts'
import { SimDisk } from '../../sim/disk.ts'
import { createRandom } from '../../sim/random.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const SEEDS = Array.from({ length: 40 }, (_, seed) => seed)

/** Writes `synced` with sync, then `lazy` without, each answered, then `late` not answered yet; loss; keys that are left. */
function leftAfter(seed: number, loss: (disk: SimDisk) => void): string {
  const timeline = new Timeline()
  const disk = new SimDisk(createRandom(seed, 'disk'))
  const before = new SimProcess(timeline)
  const store = disk.open(before)
  store.write([{ put: 'synced', value: bytes('1') }], { sync: true }, () => {})
  timeline.run(50)
  store.write([{ put: 'lazy', value: bytes('1') }], { sync: false }, () => {})
  timeline.run(50)
  store.write([{ put: 'late', value: bytes('1') }], { sync: true }, () => {})
  before.kill()
  loss(disk)
  let keys = ''
  disk.open(new SimProcess(timeline)).load('', (_, pairs) => (keys = pairs.map(([key]) => key).join(' ')))
  timeline.run(50)
  return keys
}

test('a power cut keeps what was synced and any beginning of the rest', () => {
  const seen = new Set(SEEDS.map((seed) => leftAfter(seed, (disk) => disk.powerCut())))
  expect([...seen].sort()).toEqual(['late lazy synced', 'lazy synced', 'synced'])
})

test('a killed program keeps all that was answered', () => {
  const seen = new Set(SEEDS.map((seed) => leftAfter(seed, (disk) => disk.programKilled())))
  expect([...seen].sort()).toEqual(['late lazy synced', 'lazy synced'])
})

test('a power cut after a kill still takes what was never synced', () => {
  const seen = new Set(SEEDS.map((seed) => leftAfter(seed, (disk) => (disk.programKilled(), disk.powerCut()))))
  expect(seen).toContain('synced')
})

test('a full disk refuses to store, says so, and still deletes', () => {
  const timeline = new Timeline()
  const disk = new SimDisk(createRandom(1, 'disk'))
  const store = disk.open(new SimProcess(timeline))
  const answers: (MeshError | undefined)[] = []
  store.write([{ put: 'a', value: bytes('1') }], { sync: true }, (error) => answers.push(error))
  disk.full = true
  store.write([{ put: 'b', value: bytes('1') }], { sync: true }, (error) => answers.push(error))
  store.write([{ del: 'a' }], { sync: true }, (error) => answers.push(error))
  timeline.run(100)
  expect(answers.map((error) => error?.code)).toEqual([undefined, 'STORE_FAILED', undefined])
  store.load('', (_, pairs) => expect(pairs).toEqual([]))
  timeline.run(100)
})

test('a wiped disk is empty', () => {
  expect(leftAfter(1, (disk) => disk.wipe())).toBe('')
})

test('a misdirected write leaves its own key as it was, spoils another one, and is not noticed until both are read', () => {
  const hit = new Set<string>()
  for (const seed of SEEDS) {
    const timeline = new Timeline()
    const disk = new SimDisk(createRandom(seed, 'disk'))
    const store = disk.open(new SimProcess(timeline))
    const answers: unknown[] = []
    const put = (key: string, text: string): void => {
      store.write([{ put: key, value: bytes(text) }], { sync: true }, (error) => answers.push(error))
      timeline.run(100)
    }
    for (const key of ['a', 'b', 'c']) put(key, 'old')
    const lost: string[] = []
    disk.misdirect(createRandom(seed, 'astray'), (key) => lost.push(key))
    put('b', 'new')
    put('c', 'newer')
    disk.powerCut()
    const read: string[] = []
    disk.open(new SimProcess(timeline)).load('', (_, pairs) => {
      for (const [key, value] of pairs) read.push(`${key} ${new TextDecoder().decode(value)}`)
    })
    timeline.run(100)
    expect(answers).toEqual(Array(5).fill(undefined))
    expect(['b a', 'b c']).toContain(lost.join(' '))
    hit.add(read.join(', '))
  }
  expect([...hit].sort()).toEqual(['a old, b old, c newer', 'b old, c newer'])
})
