/**
 * What every bench script shares: one JSON document on stdout with the machine's load before and after, so that a figure is
 * never read without its circumstances. Nothing here judges a time; goals stand beside the figures.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sweep } from '../mesh/harness/journal.ts'

export interface Size {
  /** Fewer rounds and shorter stretches: for trying a script out. */
  quick: boolean
  /** `full`, or `few` when quick. */
  count(full: number, few: number): number
}
export interface Goal {
  figure: string
  value: number
  goal: number
  met: boolean
}

/** Runs one script to its end: measures, prints, cleans up what an interrupted mesh left behind. */
export async function bench(name: string, measure: (size: Size) => Promise<object> | object): Promise<void> {
  const quick = process.argv.includes('--quick')
  const release = sweepWhenInterrupted()
  const before = circumstances()
  try {
    const results = await measure({ quick, count: (full, few) => (quick ? few : full) })
    const after = circumstances()
    const document = {
      bench: name,
      quick,
      takenAt: new Date().toISOString(),
      node: process.version,
      processor: cpus()[0]?.model ?? '',
      cores: cpus().length,
      load1Before: before.load1,
      load1After: after.load1,
      /** Share of all cores that was busy, with this bench and with everything else. */
      machineBusyRatio: rounded((after.busyS - before.busyS) / ((after.atMs - before.atMs) / 1000) / cpus().length),
      tookS: rounded((after.atMs - before.atMs) / 1000),
      ...results
    }
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
  } finally {
    await release()
  }
}

export const goal = (figure: string, value: number, limit: number): Goal => ({
  figure,
  value,
  goal: limit,
  met: value <= limit
})

export interface Spread {
  n: number
  min: number
  p50: number
  p90: number
  p99: number
  max: number
}

/** Nearest rank: with fewer than 100 samples p99 is the worst. */
export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number) => rounded(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN)
  return { n: sorted.length, min: at(0), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}

export const median = (samples: readonly number[]): number => spread(samples).p50

/** Median of the rounds' own ratios: what disturbed a round disturbed both sides of it. */
export function ratio(samples: readonly number[], floor: readonly number[]): number {
  return median(samples.map((sample, round) => sample / floor[round]!))
}

/** Four significant digits: more would be noise. */
export const rounded = (value: number): number => Number(value.toPrecision(4))

export const kib = (bytes: number): number => rounded(bytes / 1024)

/** A stretch in which nothing is done but measured: the only waiting by the clock here. */
export async function stretch(seconds: number): Promise<void> {
  await sleep(seconds * 1000)
}

/** Rounds in which every variant runs once, each round beginning with another, so that a noisy moment meets all. */
export async function rounds(
  count: number,
  variants: Record<string, () => Promise<number>>
): Promise<Record<string, number[]>> {
  const names = Object.keys(variants)
  const samples: Record<string, number[]> = {}
  for (const name of names) {
    await variants[name]!()
    samples[name] = []
  }
  for (let round = 0; round < count; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(round + i) % names.length]!
      samples[name]!.push(await variants[name]!())
    }
  }
  return samples
}

function circumstances(): { load1: number; busyS: number; atMs: number } {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return { load1: loadavg()[0]!, busyS: (user + nice + system + irq + softirq) / 100, atMs: performance.now() }
}

/** Meshes write down what they make; an interrupted script removes exactly that. */
function sweepWhenInterrupted(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'omega-bench-'))
  process.env.OMEGA_TEST_JOURNAL = folder
  const clean = async () => {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.mesh.json')))
      await sweep(join(folder, file))
    rmSync(folder, { recursive: true, force: true })
  }
  const interrupted = () => void clean().finally(() => process.exit(130))
  process.on('SIGINT', interrupted)
  process.on('SIGTERM', interrupted)
  return async () => {
    process.off('SIGINT', interrupted)
    process.off('SIGTERM', interrupted)
    await clean()
  }
}
