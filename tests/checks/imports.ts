/**
 * Imports point down: `ui` takes types of `node/http`, `node` and `sim` use `protocols`, `protocols` uses itself and three
 * packages. `sim/serve` alone puts the simulator behind the doors of `node`. A folder that has an `index.ts` is entered through it, and inside `protocols` every folder is.
 */
import { existsSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { eachNode, filesBelow, finding, readSource } from './source.ts'
import type { Finding, Source } from './source.ts'

const MAY_IMPORT: Record<string, string[]> = {
  protocols: ['protocols'],
  node: ['node', 'protocols'],
  sim: ['sim', 'protocols'],
  ui: ['ui']
}
/** The one place that knows both shells, and what it may take of the other one. */
const BOTH_SHELLS = 'sim/serve/'
const LENT = [
  'node/http/',
  'node/security/',
  'node/views.ts',
  'node/history.ts',
  'node/session-spec.ts',
  'node/install/layout.ts',
  'node/cli/browser.ts'
]
const PROTOCOL_PACKAGES = ['xstate', 'zod', 'cborg']

interface Import {
  node: ts.Node
  target: string
  typeOnly: boolean
}

export function checkImports(tree: string): Finding[] {
  return Object.keys(MAY_IMPORT).flatMap((room) =>
    filesBelow(tree, room, ['.ts', '.svelte', '.js', '.mjs']).flatMap((file) => {
      const source = readSource(tree, file)
      return importsOf(source).flatMap((each) => {
        const wrong = each.target.startsWith('.')
          ? wrongFile(tree, room, file, each)
          : wrongPackage(room, file, each.target)
        return wrong === undefined ? [] : [finding(source, each.node, wrong)]
      })
    })
  )
}

function wrongPackage(room: string, file: string, target: string): string | undefined {
  const name = target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
  if (room === 'protocols' && !PROTOCOL_PACKAGES.includes(name)) {
    return `protocols may import ${PROTOCOL_PACKAGES.join(', ')} only, not "${target}"`
  }
  const builtin = name.startsWith('node:') || builtinModules.includes(name)
  const inBrowser = room === 'ui' && !file.endsWith('.config.ts')
  return inBrowser && builtin ? `the page runs in a browser, which has no "${target}"` : undefined
}

function wrongFile(tree: string, room: string, file: string, { target, typeOnly }: Import): string | undefined {
  const to = posix.normalize(posix.join(posix.dirname(file), target))
  const toRoom = to.split('/')[0]!
  if (room === 'ui' && to.startsWith('node/http/')) {
    return typeOnly ? undefined : `the page may import types of node/http only: write "import type" for ${to}`
  }
  const config = posix.dirname(to) === '.' && to.endsWith('.json')
  if (file.startsWith(BOTH_SHELLS) && LENT.some((lent) => to.startsWith(lent))) return undefined
  if (!MAY_IMPORT[room]!.includes(toRoom) && !config) return `${room} may not import ${to}: imports point down`
  const entrance = entranceBetween(tree, file, to)
  return entrance === undefined ? undefined : `${to} is private to its folder: import ${entrance} instead`
}

/** The index.ts that the way from one file to the other leads around, if any. */
function entranceBetween(tree: string, from: string, to: string): string | undefined {
  const folders = posix.dirname(to).split('/')
  for (let depth = 2; depth <= folders.length; depth++) {
    const folder = folders.slice(0, depth).join('/')
    if (from.startsWith(`${folder}/`)) continue
    const entrance = `${folder}/index.ts`
    const needed = folder.startsWith('protocols/') || existsSync(join(tree, entrance))
    if (needed && to !== entrance) return entrance
  }
  return undefined
}

function importsOf({ tree }: Source): Import[] {
  const imports: Import[] = []
  const add = (node: ts.Node, target: ts.Node | undefined, typeOnly: boolean) => {
    if (target !== undefined && ts.isStringLiteralLike(target)) imports.push({ node, target: target.text, typeOnly })
  }
  eachNode(tree, (node) => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, isTypeOnly(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node, node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node, node.arguments[0], false)
  })
  return imports
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.isTypeOnly) return true
  const named = clause.namedBindings
  return (
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.every((each) => each.isTypeOnly)
  )
}
