/**
 * How long a page keeps its thread at a time while it is left alone. A busy machine makes every task longer: the same seconds
 * are measured with an empty loop in another page, and what that was late by is allowed.
 */
import type { Page } from 'playwright-core'

export const LONG_TASK_MS = 100
const STEADY_MS = 15_000

export interface Steady {
  longestMs: number
  /** Tasks over 50 ms. */
  tasks: number
  lateMs: number
}

export const told = ({ longestMs, tasks, lateMs }: Steady): string =>
  `longest task ${longestMs} ms, ${tasks} over 50 ms in ${STEADY_MS / 1000} s; meanwhile an empty loop elsewhere was late by up to ${lateMs} ms`

/** The longest task of the page, ms, while it is left alone; and by how much at most a fixed piece of work was late elsewhere. */
export async function steady(page: Page, elsewhere: Page): Promise<Steady> {
  const [tasks, lateMs] = await Promise.all([
    page.evaluate(async (forMs) => {
      // The first drawing of a place is not its steady state.
      await new Promise((resolve) => setTimeout(resolve, 2000))
      const found: number[] = []
      const observer = new PerformanceObserver((list) =>
        found.push(...list.getEntries().map((entry) => entry.duration))
      )
      observer.observe({ type: 'longtask' })
      await new Promise((resolve) => setTimeout(resolve, forMs))
      observer.disconnect()
      return found
    }, STEADY_MS),
    elsewhere.evaluate(async (forMs) => {
      const piece = () => {
        const beganAt = performance.now()
        let sum = 0
        for (let i = 0; i < 2_000_000; i++) sum = (sum + i) | 0
        return performance.now() - beganAt + (sum & 0)
      }
      const took: number[] = []
      for (const until = performance.now() + forMs; performance.now() < until;) {
        took.push(piece())
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      return Math.round(Math.max(...took) - Math.min(...took))
    }, STEADY_MS)
  ])
  return { longestMs: Math.round(Math.max(0, ...tasks)), tasks: tasks.length, lateMs }
}
