/** What the static checks read: the sources of a tree as TypeScript syntax trees, and the findings they give back. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import ts from 'typescript'

export interface Finding {
  /** Path inside the tree, with slashes. */
  file: string
  line: number
  text: string
}
export interface Source {
  file: string
  tree: ts.SourceFile
}

/** Paths inside the tree, with slashes, of all files below `folder` that end so. */
export function filesBelow(tree: string, folder: string, endings: string[]): string[] {
  const from = join(tree, folder)
  if (!existsSync(from)) return []
  return readdirSync(from, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

/** Of a component, its script blocks; lines stay where they are in the file. */
export function readSource(tree: string, file: string): Source {
  const text = readFileSync(join(tree, file), 'utf8')
  const script = file.endsWith('.svelte') ? scriptsOf(text) : text
  return { file, tree: ts.createSourceFile(file, script, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS) }
}

export function eachNode(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => eachNode(child, visit))
}

export function finding({ file, tree }: Source, node: ts.Node, text: string): Finding {
  return { file, line: tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1, text }
}

function scriptsOf(text: string): string {
  const blank = (part: string) => part.replace(/[^\n]/g, ' ')
  let script = ''
  let at = 0
  for (const found of text.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)) {
    const from = found.index + found[0].indexOf(found[1]!, found[0].indexOf('>'))
    script += blank(text.slice(at, from)) + found[1]!
    at = from + found[1]!.length
  }
  return script + blank(text.slice(at))
}
