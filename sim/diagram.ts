/**
 * A failing run as a sequence diagram (SVG) that a person can read: a lane for each PC, time downwards, messages about the
 * session as arrows, faults as marks, runs as bars. Readable on light and dark.
 */
import type { Step, Story } from './story.ts'

/** The last steps before and a few after the first violation. */
const ROWS_MAX = 90
const AFTER = 8
const ROW_PX = 22
const TOP_PX = 96
const LEFT_PX = 96
const LANE_PX = 210
const BAR_PX = 9

const STYLE = `
  :root { --ink: #1c2128; --soft: #59636e; --line: #c9d1d9; --paper: #ffffff; --fault: #b3261e; --run: #1a7f37; --arrow: #0b57d0 }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --paper: #0d1117; --fault: #ff8a80; --run: #56d364; --arrow: #79b8ff }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--ink) }
  .soft { fill: var(--soft) } .paper { fill: var(--paper) } .fault { fill: var(--fault) } .run { fill: var(--run) }
  .lane { stroke: var(--line) } .arrow { stroke: var(--arrow); fill: none } .head { fill: var(--arrow) }
  .title { font-weight: 600; font-size: 14px } .bar { fill: var(--run); opacity: 0.45 }
  .label { paint-order: stroke; stroke: var(--paper); stroke-width: 3px }
`

export function diagram({ outcome, names, steps }: Story): string {
  const [violation] = outcome.violations
  const session = /[0-9a-f]{6}/.exec(violation?.text ?? '')?.[0]
  const rows = choose(steps, session, violation?.atMs ?? Infinity)
  const width = LEFT_PX + names.length * LANE_PX
  const height = TOP_PX + (rows.length + 2) * ROW_PX
  const x = (pc: number): number => LEFT_PX + (pc + 0.5) * LANE_PX
  const title = `${outcome.family} seed ${outcome.seed}: ${violation?.checker ?? 'nothing broken'}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${text(title)}</title><style>${STYLE}</style>`,
    `<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    `<text class="title" x="16" y="24">${text(title)}</text>`,
    `<text class="fault" x="16" y="46">${text(violation === undefined ? '' : `${seconds(violation.atMs)} ${violation.text}`)}</text>`,
    ...names.map(
      (name, pc) =>
        `<text class="title" x="${x(pc)}" y="${TOP_PX - 18}" text-anchor="middle">${text(name)}</text><line class="lane" x1="${x(pc)}" x2="${x(pc)}" y1="${TOP_PX - 8}" y2="${height - ROW_PX}"/>`
    ),
    ...bars(rows, x),
    ...rows.map((step, row) => draw(step, TOP_PX + (row + 0.7) * ROW_PX, x)),
    '</svg>\n'
  ].join('\n')
}

/** All faults and runs, and of the messages those about the session that went wrong. */
function choose(steps: readonly Step[], session: string | undefined, badAtMs: number): Step[] {
  const about = steps.filter((step) => step.k === 'fault' || session === undefined || step.session === session)
  const told = about.filter((step) => step.k !== 'message' || !/^(ack|get|got|have)/.test(step.what))
  const after = told.findIndex((step) => step.atMs > badAtMs)
  const end = after < 0 ? told.length : Math.min(told.length, after + AFTER)
  return told.slice(Math.max(0, end - ROWS_MAX), end)
}

function bars(rows: readonly Step[], x: (pc: number) => number): string[] {
  const drawn: string[] = []
  const open = new Map<string, number>()
  const bar = (pc: number, from: number, to: number): string =>
    `<rect class="bar" x="${x(pc) - BAR_PX / 2}" width="${BAR_PX}" y="${TOP_PX + from * ROW_PX}" height="${Math.max(ROW_PX / 2, (to - from) * ROW_PX)}" rx="3"/>`
  rows.forEach((step, row) => {
    if (step.k !== 'run' && step.k !== 'halt') return
    const key = `${step.pc}/${step.session}/${step.what}`
    if (step.k === 'run') open.set(key, row + 0.5)
    else {
      drawn.push(bar(step.pc, open.get(key) ?? 0, row + 0.5))
      open.delete(key)
    }
  })
  for (const [key, from] of open) drawn.push(bar(Number(key.split('/', 1)[0]), from, rows.length))
  return drawn
}

function draw(step: Step, y: number, x: (pc: number) => number): string {
  const when = `<text class="soft" x="16" y="${y + 4}">${seconds(step.atMs)}</text>`
  switch (step.k) {
    case 'message': {
      const [from, to] = [x(step.from), x(step.to)]
      const middle = (from + to) / 2
      return `${when}<line class="arrow" marker-end="url(#to)" x1="${from}" x2="${to}" y1="${y + 3}" y2="${y + 3}"/><text class="label" x="${middle}" y="${y - 1}" text-anchor="middle">${text(step.what)}</text>`
    }
    case 'fault': {
      const marks = step.pcs.map((pc) => `<path class="fault" d="M${x(pc) - 6} ${y - 5}h12l-6 10z"/>`).join('')
      const at = x(step.pcs[0] ?? 0) + 12
      return `${when}${marks}<text class="label fault" x="${at}" y="${y + 4}">${text(step.what)}</text>`
    }
    default:
      return `${when}<text class="label run" x="${x(step.pc) + 12}" y="${y + 4}">${step.k === 'run' ? 'runs' : 'halts'} ${text(step.what)}</text>`
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(3)} s`
const text = (plain: string): string => plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
