/**
 * The clock of a real PC. `mono` counts the time the PC slept: the runtime's own monotonic clock stops during a suspend on
 * Linux. A jump between it and the wall clock only raises the suspicion; the seconds since boot, which go on while the PC
 * sleeps, are the proof. So a suspend is added at the first look after it, and a corrected wall clock changes nothing.
 */
import { uptime } from 'node:os'
import type { Clock, Timer } from '../../protocols/ports.ts'

/** The three clocks of the operating system, in milliseconds. */
export interface ClockSources {
  /** Steady, may stand still while the PC sleeps. */
  steadyMs(): number
  wallMs(): number
  /** Since boot, goes on while the PC sleeps; may be as coarse as a second. */
  sinceBootMs(): number
}

const systemSources: ClockSources = {
  steadyMs: () => performance.now(),
  wallMs: () => Date.now(),
  sinceBootMs: () => uptime() * 1000
}

/** A shorter gap is rounding of the coarse clocks, not sleep. */
const SLEPT_MIN_MS = 1500
/** From such a jump of the date on, the PC may have slept. */
const SUSPECT_MS = 250
/** Node's timers hold at most 31 bits of milliseconds. */
const NAP_MAX_MS = 2 ** 31 - 1

interface Armed {
  fn: () => void
  dueMs: number
  order: number
}

export function systemClock(sources: ClockSources = systemSources): Clock {
  const bootMinusSteadyMs = sources.sinceBootMs() - sources.steadyMs()
  let sleptMs = 0
  let wallMinusSteadyMs = sources.wallMs() - sources.steadyMs()
  const wakes: (() => void)[] = []

  function mono(): number {
    const steadyMs = sources.steadyMs()
    const gapMs = sources.wallMs() - steadyMs
    if (Math.abs(gapMs - wallMinusSteadyMs) > SUSPECT_MS) {
      const mayHaveSlept = gapMs > wallMinusSteadyMs
      wallMinusSteadyMs = gapMs
      const asleepMs = sources.sinceBootMs() - steadyMs - bootMinusSteadyMs
      if (asleepMs - sleptMs > SLEPT_MIN_MS) sleptMs = asleepMs
      if (mayHaveSlept) for (const wake of wakes) wake()
    }
    return steadyMs + sleptMs
  }

  return {
    mono,
    wall: () => sources.wallMs(),
    onWake: (fn) => void wakes.push(fn),
    ...timers(() => sources.steadyMs())
  }
}

/**
 * One timer of the runtime for all of ours: the runtime keeps a list a duration and promises no order between them, and
 * may fire a fraction of a millisecond early. A wake looks at every armed timer, some hundred at most.
 */
function timers(nowMs: () => number): Pick<Clock, 'setTimeout' | 'clearTimeout'> {
  const armed = new Set<Armed>()
  let orders = 0
  let wakeAtMs = Infinity
  let nap: NodeJS.Timeout | undefined

  function wakeBy(dueMs: number): void {
    if (dueMs >= wakeAtMs) return
    clearTimeout(nap)
    wakeAtMs = dueMs
    nap = setTimeout(wake, Math.min(Math.max(Math.ceil(dueMs - nowMs()), 1), NAP_MAX_MS))
  }
  function wake(): void {
    wakeAtMs = Infinity
    const now = nowMs()
    const due = [...armed].filter((timer) => timer.dueMs <= now)
    due.sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)
    try {
      // One that an earlier callback cleared is no longer in the set.
      for (const timer of due) if (armed.delete(timer)) timer.fn()
    } finally {
      let nextMs = Infinity
      for (const timer of armed) nextMs = Math.min(nextMs, timer.dueMs)
      if (nextMs < Infinity) wakeBy(nextMs)
    }
  }
  return {
    setTimeout(fn: () => void, delayMs: number): Timer {
      const timer: Armed = { fn, dueMs: nowMs() + (delayMs > 0 ? delayMs : 0), order: orders++ }
      armed.add(timer)
      wakeBy(timer.dueMs)
      return timer
    },
    clearTimeout(timer: Timer): void {
      if (armed.delete(timer as Armed) && armed.size === 0) {
        clearTimeout(nap)
        wakeAtMs = Infinity
      }
    }
  }
}
