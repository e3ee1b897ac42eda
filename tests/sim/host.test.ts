/** Children of a simulated PC obey the leash: they outlive the peer program for five seconds and no power cut. */
import { expect, test } from 'vitest'
import type { ChildReport, Exit, Host, RunOrder } from '../../protocols/ports.ts'
import { SimProcess, Timeline } from '../../sim/clock.ts'
import { SimHost } from '../../sim/host.ts'
import { createRandom } from '../../sim/random.ts'
import { RunLog } from '../../sim/run-log.ts'
import { Trace } from '../../sim/trace.ts'

function pc() {
  const timeline = new Timeline()
  const log = new RunLog(timeline, new Trace())
  const host = new SimHost({ timeline, log, random: createRandom(1, 'host'), peer: 'here' })
  const connect = () => {
    const process = new SimProcess(timeline)
    const port = host.connect(process)
    const heard = { started: 0, refused: '', exits: [] as Exit[], children: [] as (readonly ChildReport[])[] }
    port.attach({
      started: () => heard.started++,
      notStarted: (_session, _epoch, reason) => (heard.refused = reason),
      exited: (_session, _epoch, exit) => heard.exits.push(exit),
      children: (list) => heard.children.push(list),
      lost: () => {}
    })
    timeline.run(10)
    return { port, heard, kill: () => (process.kill(), host.peerGone()) }
  }
  return { timeline, log, host, connect }
}

const order = (argv: string[]): RunOrder => ({
  session: 's1',
  epoch: 1,
  launcher: 'exec',
  argv,
  env: {},
  cwd: '',
  stdin: false,
  cpuMilli: 1000,
  memoryBytes: 1
})
const run = (port: Host, ...argv: string[]): void => port.run(order(argv))

test('a program runs for its time and ends with its code', () => {
  const { timeline, log, connect } = pc()
  const { port, heard } = connect()
  run(port, 'work', '3', '7')
  run(port, 'work', '3', '7')
  timeline.run(5000)
  expect(heard.exits).toEqual([{ code: 7, signal: null, logBytes: 0 }])
  const [only, ...more] = log.runs
  expect(more).toEqual([])
  expect(only!.toMs! - only!.fromMs).toBe(3000)
})

test('an unknown program does not start, with a reason', () => {
  const { timeline, connect } = pc()
  const { port, heard } = connect()
  run(port, 'emacs')
  timeline.run(100)
  expect([heard.started, heard.refused]).toEqual([0, 'emacs: no such program on simulated PCs'])
})

test('a peer back within five seconds finds its child running', () => {
  const { timeline, log, connect } = pc()
  const first = connect()
  run(first.port, 'sleep', '60')
  timeline.run(1000)
  first.kill()
  timeline.run(3000)
  const { heard } = connect()
  timeline.run(10_000)
  expect(heard.children[0]).toMatchObject([{ session: 's1', epoch: 1, state: 'running' }])
  expect(log.runs).toMatchObject([{ toMs: undefined }])
})

test('a peer that stays away has its child frozen at five seconds, and thawing goes on where it stood', () => {
  const { timeline, log, connect } = pc()
  const first = connect()
  run(first.port, 'sleep', '20')
  timeline.run(1000)
  const killedMs = timeline.nowMs
  first.kill()
  timeline.run(60_000)
  const frozenMs = log.runs[0]!.toMs!
  expect(frozenMs).toBeGreaterThan(killedMs + 4000 - 1)
  expect(frozenMs).toBeLessThanOrEqual(killedMs + 5000)
  const { port, heard } = connect()
  expect(heard.children[0]).toMatchObject([{ state: 'frozen' }])
  port.thaw('s1', 1)
  timeline.run(60_000)
  expect(heard.exits).toEqual([{ code: 0, signal: null, logBytes: 0 }])
  const ran = log.runs.reduce((sum, { fromMs, toMs }) => sum + toMs! - fromMs, 0)
  expect(ran).toBeCloseTo(20_000)
})

test('a power cut ends the children without a word', () => {
  const { timeline, log, host, connect } = pc()
  run(connect().port, 'sleep', 'infinity')
  timeline.run(1000)
  host.powerCut()
  expect(log.runs[0]!.toMs).toBe(timeline.nowMs)
  expect(connect().heard.children[0]).toEqual([])
})

test('a frozen child dies of KILL only', () => {
  const { timeline, connect } = pc()
  const { port, heard } = connect()
  run(port, 'sleep', 'infinity')
  timeline.run(100)
  port.freeze('s1', 1)
  port.signal('s1', 1, 'TERM')
  timeline.run(100)
  expect(heard.exits).toEqual([])
  port.signal('s1', 1, 'KILL')
  timeline.run(100)
  expect(heard.exits).toEqual([{ code: null, signal: 'SIGKILL', logBytes: 0 }])
})

test('the run log finds work that ran twice at once', () => {
  const { timeline, log } = pc()
  log.begins('s', 1, 'a', 1000)
  timeline.run(100)
  log.begins('s', 2, 'b', 1000)
  log.begins('t', 1, 'b', 1000)
  expect(log.overlaps()).toHaveLength(1)
  timeline.run(1)
  log.ends('s', 1, 'a')
  log.begins('u', 1, 'a', 1000)
  log.ends('u', 1, 'a')
  timeline.run(1)
  log.begins('u', 2, 'b', 1000)
  expect(log.overlaps()).toHaveLength(1)
})

test('an end is reported again until it is acknowledged', () => {
  const { timeline, connect } = pc()
  const first = connect()
  run(first.port, 'true')
  timeline.run(100)
  first.kill()
  const second = connect()
  expect(second.heard.children[0]).toMatchObject([{ state: 'exited', exit: { code: 0 } }])
  second.port.acknowledge('s1', 1)
  second.kill()
  expect(connect().heard.children[0]).toEqual([])
})
