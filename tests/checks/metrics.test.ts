import { expect, test } from 'vitest'
import { checkMetrics } from './metrics.ts'
import { findIn } from './planted.ts'

const wrong = (text: string) => findIn(checkMetrics, { 'ui/pages/Nodes.svelte': text })

test.each([
  '<p>12 %</p>',
  '<p>CPU 12.5%</p>',
  '<b>8 GB</b>',
  '<td>\n  64 GiB free</td>',
  '{#if x}<p>3 ms</p>{/if}',
  '<p>48 °C</p>',
  '<p>90 MB/s</p>'
])('a number that nobody measured is found: %s', (text) => {
  expect(wrong(`<h1>Nodes</h1>\n${text}`)).toHaveLength(1)
})

test.each([
  '<p>{percent(node.cpu)}</p>',
  '<div style="width: 50%"></div>',
  '<img width="50%" alt="" />',
  '<p>2 PCs</p>',
  '<p>{used} GB</p>',
  '<style>\n  p { width: 50%; transition: 120ms }\n</style>'
])('other numbers are let through: %s', (text) => {
  expect(wrong(text)).toEqual([])
})
