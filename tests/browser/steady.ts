/**
 * How long a page keeps its thread at a time while it is left alone. Counted is the processor time of each task, from the
 * browser's own trace: a busy machine makes a task last longer, and not work more.
 */
import type { Page } from 'playwright-core'

export const LONG_TASK_MS = 100
const STEADY_MS = 10_000
/** The first drawing of a place is not its steady state. */
const DRAWN_MS = 2000

export interface Steady {
  /** Processor time of the task that worked longest. */
  longestMs: number
  /** How long the longest one lasted, on this machine now. */
  lastedMs: number
  tasks: number
  /** Processor time of all of them. */
  workMs: number
}

export const told = ({ longestMs, lastedMs, tasks, workMs }: Steady): string =>
  `longest task ${longestMs} ms of processor time, ${workMs} ms in ${tasks} tasks in ${STEADY_MS / 1000} s; the longest lasted ${lastedMs} ms on this machine`

/** Of a trace of Chromium, times in us. */
interface TraceEvent {
  name: string
  ph: string
  pid: number
  tid: number
  dur?: number
  tdur?: number
  args: { name?: string }
}

/** The tasks of the page's main thread while it is left alone. Rejects when the trace holds none. */
export async function steady(page: Page): Promise<Steady> {
  await page.waitForTimeout(DRAWN_MS)
  const mark = `page-${Math.random()}`
  const events = await traced(page, async () => {
    // Which of the browser's processes is this page's.
    await page.evaluate((name) => performance.mark(name), mark)
    await page.waitForTimeout(STEADY_MS)
  })
  const process = events.find((event) => event.name === mark)?.pid
  const main = events.find(({ pid, args }) => pid === process && args.name === 'CrRendererMain')?.tid
  const tasks = events.filter(
    ({ name, ph, pid, tid }) => name === 'RunTask' && ph === 'X' && pid === process && tid === main
  )
  const works = tasks.map((task) => task.tdur ?? NaN)
  if (works.length === 0 || works.some(Number.isNaN)) throw new Error('the trace of the page tells of no tasks')
  return {
    longestMs: Math.round(Math.max(...works) / 1000),
    lastedMs: Math.round(Math.max(...tasks.map((task) => task.dur ?? 0)) / 1000),
    tasks: tasks.length,
    workMs: Math.round(works.reduce((sum, work) => sum + work, 0) / 1000)
  }
}

async function traced(page: Page, meanwhile: () => Promise<void>): Promise<TraceEvent[]> {
  const session = await page.context().newCDPSession(page)
  const events: TraceEvent[] = []
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])))
  const includedCategories = ['disabled-by-default-devtools.timeline', 'blink.user_timing', '__metadata']
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig: { includedCategories } })
  await meanwhile()
  const whole = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
  await session.send('Tracing.end')
  await whole
  await session.detach()
  return events
}
