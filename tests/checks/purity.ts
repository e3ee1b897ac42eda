/**
 * Protocols are pure: a run in the simulator replays only when nothing in them reads a clock, draws randomness, does I/O or
 * waits for a Promise. Everything ambient is named here; what a kernel needs of it comes through protocols/ports.ts.
 */
import { join } from 'node:path'
import ts from 'typescript'
import { eachNode, filesBelow, finding } from './source.ts'
import type { Finding } from './source.ts'

const AMBIENT: Record<string, string> = {
  ...naming(
    'time',
    'Date performance setTimeout setInterval setImmediate queueMicrotask clearTimeout clearInterval Temporal'
  ),
  ...naming('randomness', 'crypto'),
  ...naming(
    'I/O',
    'process Buffer console fetch WebSocket XMLHttpRequest navigator require __dirname __filename localStorage'
  ),
  ...naming('the order of the event loop', 'Promise PromiseLike AbortSignal AbortController Atomics'),
  ...naming('the order of garbage collection', 'WeakRef FinalizationRegistry'),
  ...naming('the language of the PC', 'Intl'),
  ...naming('anything', 'globalThis window self global eval Function')
}
/** Members that are ambient whatever they are called on. */
const AMBIENT_MEMBERS = /^(localeCompare|toLocale\w+)$/

export function checkPurity(tree: string): Finding[] {
  const files = filesBelow(tree, 'protocols', ['.ts'])
  // Without any library, a name that resolves to nothing is an ambient one, and a local of the same name is none.
  const options: ts.CompilerOptions = { noLib: true, noResolve: true, types: [], target: ts.ScriptTarget.ESNext }
  const program = ts.createProgram(
    files.map((file) => join(tree, file)),
    options
  )
  const names = program.getTypeChecker()
  return files.flatMap((file) => {
    const source = { file, tree: program.getSourceFile(join(tree, file))! }
    const findings: Finding[] = []
    eachNode(source.tree, (node) => {
      const wrong = impure(node, names)
      if (wrong !== undefined) findings.push(finding(source, node, wrong))
    })
    return findings
  })
}

function impure(node: ts.Node, names: ts.TypeChecker): string | undefined {
  if (ts.isIdentifier(node)) return impureName(node, names)
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'protocols are synchronous: no async'
  if (ts.isAwaitExpression(node)) return 'protocols are synchronous: no await'
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) return 'protocols are synchronous: no for await'
  if (ts.isMetaProperty(node)) return 'a protocol does not know where it lies: no import.meta'
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return 'protocols are synchronous: no import()'
  if (isCallOf(node, 'createActor') && !givesClock(node)) return 'an actor without `clock` uses the ambient setTimeout'
  return undefined
}

function impureName(node: ts.Identifier, names: ts.TypeChecker): string | undefined {
  const { parent, text } = node
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    if (parent.getText() === 'Math.random') return 'randomness comes from the Random port'
    return AMBIENT_MEMBERS.test(text) ? `"${text}" depends on the language of the PC` : undefined
  }
  if (ts.isImportSpecifier(parent) && (parent.propertyName ?? parent.name).text === 'fromPromise') {
    return 'protocols are synchronous: no actor from a Promise'
  }
  const what = Object.hasOwn(AMBIENT, text) ? AMBIENT[text] : undefined
  if (what === undefined || isOnlyAName(node)) return undefined
  const symbol = ts.isShorthandPropertyAssignment(parent)
    ? names.getShorthandAssignmentValueSymbol(parent)
    : names.getSymbolAtLocation(node)
  return isAmbient(symbol) ? `"${text}" reaches for ${what}, which a protocol gets through its ports` : undefined
}

/** `globalThis` resolves to a symbol of its own even without a library. */
const isAmbient = (symbol: ts.Symbol | undefined): boolean => (symbol?.declarations?.length ?? 0) === 0

function isOnlyAName(node: ts.Identifier): boolean {
  const parent = node.parent as { name?: ts.Node; propertyName?: ts.Node; label?: ts.Node; right?: ts.Node }
  if (ts.isShorthandPropertyAssignment(node.parent)) return false
  if (ts.isQualifiedName(node.parent)) return parent.right === node
  return parent.name === node || parent.propertyName === node || parent.label === node
}

const isCallOf = (node: ts.Node, name: string): node is ts.CallExpression =>
  ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === name

function givesClock(call: ts.CallExpression): boolean {
  const options = call.arguments[1]
  if (options === undefined) return false
  // Options made elsewhere are that place's business.
  if (!ts.isObjectLiteralExpression(options)) return true
  return options.properties.some((property) => ts.isSpreadAssignment(property) || property.name?.getText() === 'clock')
}

function naming(what: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(' ').map((name) => [name, what]))
}
