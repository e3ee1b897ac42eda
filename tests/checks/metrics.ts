/** No number on the page without a source: a component that writes "12 %" or "8 GB" as text shows what nobody measured. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'svelte/compiler'
import { filesBelow } from './source.ts'
import type { Finding } from './source.ts'

const MEASURED = /\d+(?:[.,]\d+)?\s?(?:%|(?:[kKMGTP]i?B|[kMGT]?bit)(?:\/s)?\b|[mµn]s\b|[kMG]Hz\b|°C|W\b|rpm\b|fps\b)/

interface TemplateNode {
  type?: string
  start?: number
  data?: string
}

export function checkMetrics(tree: string): Finding[] {
  return filesBelow(tree, 'ui', ['.svelte']).flatMap((file) => {
    const text = readFileSync(join(tree, file), 'utf8')
    const shown: TemplateNode[] = []
    collectTexts(parse(text, { modern: true }).fragment, shown)
    return shown.flatMap(({ data = '', start = 0 }) => {
      const found = MEASURED.exec(data)
      if (found === null) return []
      const line = text.slice(0, start + found.index).split('\n').length
      return [
        { file, line, text: `"${found[0]}" is written into the page: show a reading through a formatter of ui/lib` }
      ]
    })
  })
}

/** Text that a reader sees; attributes (a width of 50 %) and styles are none. */
function collectTexts(node: unknown, into: TemplateNode[]): void {
  if (Array.isArray(node)) for (const each of node) collectTexts(each, into)
  else if (typeof node === 'object' && node !== null) {
    const { type } = node as TemplateNode
    if (type === 'Attribute' || type === 'StyleDirective') return
    if (type === 'Text') into.push(node as TemplateNode)
    for (const child of Object.values(node)) collectTexts(child, into)
  }
}
