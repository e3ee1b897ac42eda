/** A line of samples as SVG paths. Pure. */
export interface Drawn {
  stroke: string
  area: string
}

/** Samples of a minute, one each 2 s. A shorter line began less than a minute ago: what was before is a gap at its left. */
const MINUTE = 30

export function spark(samples: readonly (number | null)[], width: number, height: number, top: number | null): Drawn {
  const before = Array.from({ length: Math.max(0, MINUTE - samples.length) }, () => null)
  const line = [...before, ...samples]
  const peak = top ?? Math.max(0, ...line.map((v) => v ?? 0))
  const x = (i: number) => (line.length < 2 ? width : (i / (line.length - 1)) * width).toFixed(1)
  const y = (v: number) => (height - 1 - Math.min(1, Math.max(0, peak > 0 ? v / peak : 0)) * (height - 2)).toFixed(1)
  let stroke = ''
  let area = ''
  for (const run of runs(line)) {
    const points = run.values.map((v, i) => `${x(run.from + i)} ${y(v)}`)
    // A single sample between gaps is a dot: a line of no length with round ends.
    stroke += `M${points.join('L')}${points.length === 1 ? 'h0' : ''}`
    if (points.length > 1)
      area += `M${points.join('L')}L${x(run.from + points.length - 1)} ${height}L${x(run.from)} ${height}Z`
  }
  return { stroke, area }
}

function runs(line: readonly (number | null)[]): { from: number; values: number[] }[] {
  const found: { from: number; values: number[] }[] = []
  let open: { from: number; values: number[] } | null = null
  line.forEach((value, i) => {
    if (value === null) open = null
    else if (open) open.values.push(value)
    else found.push((open = { from: i, values: [value] }))
  })
  return found
}

/** "between 12% and 78%" in the words of the given format; what a line says to those who do not see it. */
export function spanOf(line: readonly (number | null)[], format: (value: number) => string): string {
  const known = line.filter((v) => v !== null)
  if (!known.length) return 'no samples in the last minute'
  const [low, high] = [format(Math.min(...known)), format(Math.max(...known))]
  return low === high ? `${low} through the last minute` : `between ${low} and ${high} in the last minute`
}
