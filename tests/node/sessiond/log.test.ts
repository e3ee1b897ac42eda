import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { LogFrame } from '../../../node/sessiond/log-format.ts'
import { readLog } from '../../../node/sessiond/log-reader.ts'
import { LogWriter } from '../../../node/sessiond/log-writer.ts'
import type { LogLimits } from '../../../node/sessiond/log-writer.ts'
import { eventually, freshFolder, startRig } from './rig.ts'

const LIMITS: LogLimits = { segmentBytes: 1000, keepBytes: 5000, lagBytes: 3000 }

function startLog(limits: Partial<LogLimits> = {}, folder = join(freshFolder(), 'log')) {
  mkdirSync(folder, { recursive: true })
  const blocked: boolean[] = []
  const troubles: string[] = []
  const log = new LogWriter(
    folder,
    { ...LIMITS, ...limits },
    { grew: () => {}, blocked: (now) => blocked.push(now), trouble: (text) => troubles.push(text) }
  )
  onTestFinished(async () => void (await log.finish()))
  return { folder, log, blocked, troubles }
}

async function readAll(folder: string, from: number, end: number): Promise<LogFrame[]> {
  const frames: LogFrame[] = []
  for await (const frame of readLog(folder, from, { end: () => end, more: async () => false }))
    frames.push({ ...frame, bytes: Buffer.from(frame.bytes) })
  return frames
}

const sizeOf = (folder: string): number =>
  readdirSync(folder).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0
  )

test('frames are read back as they were written, across segments and from any offset', async () => {
  const { folder, log } = startLog({ keepBytes: 1 << 20 })
  const written = Array.from(
    { length: 200 },
    (_, i) => ({ stream: i % 3 === 0 ? 2 : 1, bytes: randomBytes(1 + ((i * 37) % 300)) }) as const
  )
  for (const { stream, bytes } of written) log.append(stream, bytes)
  await log.finish()
  const all = await readAll(folder, 0, log.end)
  expect(all.map(({ stream, bytes }) => ({ stream, bytes }))).toEqual(written)
  expect(all.at(-1)!.offset).toBe(log.end)
  expect(readdirSync(folder).length).toBeGreaterThan(10)
  // From the offset after a frame, and from the middle of one: the next whole frame comes.
  const at = all[57]!.offset
  for (const from of [at, at - 1]) expect((await readAll(folder, from, log.end))[0]).toEqual(all[58])
  expect(await readAll(folder, log.end, log.end)).toEqual([])
})

test('a log that nobody reads keeps its end and drops its beginning', async () => {
  const { folder, log, blocked } = startLog()
  for (let i = 0; i < 300; i++) log.append(1, Buffer.from(`${String(i).padStart(95, '0')}`))
  await log.finish()
  await eventually(() => sizeOf(folder) <= LIMITS.keepBytes + LIMITS.segmentBytes + 100)
  const kept = await readAll(folder, 0, log.end)
  expect(kept.length).toBeGreaterThan(40)
  expect(kept.map(({ bytes }) => Number(bytes.toString()))).toEqual(
    Array.from({ length: kept.length }, (_, i) => 300 - kept.length + i)
  )
  expect(blocked).toEqual([])
})

test('a reader that is behind holds the writer, and loses nothing', async () => {
  const { folder, log, blocked } = startLog()
  log.setReader(1, 0)
  for (let i = 0; i < 100; i++) log.append(1, Buffer.alloc(95, i))
  expect(blocked).toEqual([true])
  await log.finish()
  const all = await readAll(folder, 0, log.end)
  expect(all.length).toBe(100)
  log.setReader(1, all[90]!.offset)
  expect(blocked).toEqual([true, false])
  log.removeReader(1)
  await eventually(() => sizeOf(folder) <= LIMITS.keepBytes + LIMITS.segmentBytes + 100)
})

test('a disk that refuses holds the writer; what waited is written when it takes again', async () => {
  const { folder, log, troubles } = startLog()
  log.append(1, Buffer.from('first'))
  await eventually(() => log.end > 0)
  // The next segment cannot be made: its folder is gone.
  rmSync(folder, { recursive: true })
  for (let i = 0; i < 30; i++) log.append(2, Buffer.alloc(95, i))
  await eventually(() => troubles.length > 0)
  expect(troubles[0]).toMatch(/cannot write .*ENOENT/)
  mkdirSync(folder)
  await log.finish()
  expect(log.end).toBe(10 + 30 * 100)
  const rest = await readAll(folder, 1000, log.end)
  expect(rest.length).toBeGreaterThan(15)
  expect(rest.at(-1)!.bytes).toEqual(Buffer.alloc(95, 29))
})

test('a damaged log is an error with its place, and a torn end is left out', async () => {
  const { folder, log } = startLog({ segmentBytes: 1 << 20 })
  log.append(1, Buffer.from('whole'))
  log.append(1, Buffer.from('torn'))
  await log.finish()
  const path = join(folder, readdirSync(folder)[0]!)
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.subarray(0, bytes.length - 2))
  expect((await readAll(folder, 0, bytes.length - 2)).map((frame) => frame.bytes.toString())).toEqual(['whole'])
  writeFileSync(path, Buffer.concat([bytes.subarray(0, 10), Buffer.from([9, 0, 0, 0, 1, 0])]))
  await expect(readAll(folder, 0, 16)).rejects.toThrow(/damaged at offset 10: stream 9/)
})

test('a program whose reader does not read waits, and goes on where it was', async () => {
  const total = 24 << 20
  const lag = 1 << 20
  const rig = await startRig({ logLagBytes: lag, logKeepBytes: 2 << 20, logSegmentBytes: 256 << 10 })
  const script = `head -c ${total} /dev/zero | tr '\\0' x; echo done >&2`
  const { session, epoch } = await rig.start({ launcher: 'shell', argv: [`read go; ${script}`], stdin: true })
  const hash = createHash('sha256')
  let bytes = 0
  let held = false
  const folder = join(rig.dataDir, 'runs', session, '1', 'log')
  await rig.host.input(session, epoch, Buffer.from('go\n'))
  for await (const frame of rig.host.output(session, epoch, 0, { follow: true })) {
    if (frame.stream === 1) {
      hash.update(frame.bytes)
      bytes += frame.bytes.length
    }
    if (held) continue
    held = true
    // Nothing is taken now. What is written levels off far below the whole, and the program is still there.
    let before = -1
    let same = 0
    while (same < 20) {
      const size = sizeOf(folder)
      same = size === before && size > lag ? same + 1 : 0
      before = size
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    expect(before).toBeLessThan(lag + (2 << 20))
    expect(rig.host.state.children).toBe(1)
  }
  expect(bytes).toBe(total)
  expect(hash.digest('hex')).toBe(createHash('sha256').update(Buffer.alloc(total, 'x')).digest('hex'))
  expect(await rig.exitOf(session)).toMatchObject({ code: 0 })
})

test('output without following ends with what is there', async () => {
  const rig = await startRig()
  const { session, epoch } = await rig.start({ launcher: 'shell', argv: ['echo one; read go; echo two'], stdin: true })
  const first = rig.host.output(session, epoch, 0, { follow: true })[Symbol.asyncIterator]()
  await first.next()
  let text = ''
  for await (const { bytes } of rig.host.output(session, epoch, 0, { follow: false }))
    text += Buffer.from(bytes).toString()
  expect(text).toBe('one\n')
  // Breaking off a reader that waits does not wait.
  const waiting = first.next()
  await first.return?.()
  expect((await waiting).done).toBe(true)
  rig.host.signal(session, epoch, 'KILL')
})
