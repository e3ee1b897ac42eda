/**
 * Nothing has a door without a rule: every HTTP route says in its config who may enter, every plane of the wire has its
 * entry in PLANE_ACCESS, and only the adapter that asks that table may serve libp2p protocols.
 */
import ts from 'typescript'
import { eachNode, filesBelow, finding, readSource } from './source.ts'
import type { Finding, Source } from './source.ts'

const VERBS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options', 'all', 'route']
/** Builds the documents in an app that never listens; its routes carry nothing out. */
const NEVER_SERVES = 'node/http/docs.ts'
const APPS = ['app', 'server', 'fastify', 'scope', 'instance']

export function checkAccess(tree: string): Finding[] {
  const program = filesBelow(tree, 'node', ['.ts']).map((file) => readSource(tree, file))
  const doors = program.filter(
    ({ file }) => (file.startsWith('node/http/') && file !== NEVER_SERVES) || file.startsWith('node/s3/')
  )
  const wire = program.filter(({ file }) => !file.startsWith('node/adapters/'))
  return [...checkRoutes(doors), ...wire.flatMap(checkServing), ...checkPlanes(tree)]
}

function checkRoutes(sources: Source[]): Finding[] {
  const everywhere = objectConstants(sources)
  return sources.flatMap((source) => {
    const constants = new Map([...everywhere, ...objectConstants([source])])
    const findings: Finding[] = []
    eachNode(source.tree, (node) => {
      const options = routeOptions(node)
      if (options === undefined || declaresAccess(options.at, constants)) return
      findings.push(finding(source, node, `route ${options.what} declares no access: give it "config: { access: … }"`))
    })
    return findings
  })
}

/** The expressions that may hold the options of a route; undefined for any other node. */
function routeOptions(node: ts.Node): { what: string; at: ts.Expression[] } | undefined {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined
  const verb = node.expression.name.text
  const receiver = node.expression.expression.getText()
  const [first] = node.arguments
  if (!VERBS.includes(verb) || first === undefined) return undefined
  const isPath = ts.isStringLiteralLike(first) && first.text.startsWith('/')
  if (!isPath && !APPS.includes(receiver)) return undefined
  return {
    what: `${verb} ${first.getText().slice(0, 60)}`,
    at: node.arguments.slice(verb === 'route' ? 0 : 1, verb === 'route' ? 1 : 2)
  }
}

function declaresAccess(options: ts.Expression[], constants: Map<string, ts.Expression>): boolean {
  return options.some((expression) => {
    const config = member(expression, 'config', constants)
    const access = config && member(config, 'access', constants)
    return access !== undefined && !(ts.isIdentifier(access) && access.text === 'undefined')
  })
}

/** Value of a member of an object literal, through constants, spreads, `as const` and `satisfies`. */
function member(of: ts.Expression, name: string, constants: Map<string, ts.Expression>): ts.Expression | undefined {
  const value = ts.isIdentifier(of) ? constants.get(of.text) : of
  if (value === undefined) return undefined
  if (ts.isAsExpression(value) || ts.isSatisfiesExpression(value) || ts.isParenthesizedExpression(value)) {
    return member(value.expression, name, constants)
  }
  if (!ts.isObjectLiteralExpression(value)) return undefined
  for (const property of value.properties) {
    if (ts.isSpreadAssignment(property)) {
      const spread = member(property.expression, name, constants)
      if (spread !== undefined) return spread
    } else if (property.name?.getText() === name) {
      if (ts.isPropertyAssignment(property)) return property.initializer
      if (ts.isShorthandPropertyAssignment(property)) return constants.get(name) ?? property.name
    }
  }
  return undefined
}

function objectConstants(sources: Source[]): Map<string, ts.Expression> {
  const constants = new Map<string, ts.Expression>()
  for (const { tree } of sources) {
    eachNode(tree, (node) => {
      if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer)
        constants.set(node.name.text, node.initializer)
    })
  }
  return constants
}

/** `libp2p.handle('/mesh/…')` and `planeProtocol(...)` outside of the adapter would serve past the table. */
function checkServing(source: Source): Finding[] {
  const findings: Finding[] = []
  eachNode(source.tree, (node) => {
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return
    if (
      ['handle', 'register'].includes(node.expression.name.text) &&
      /libp2p|host|registrar/i.test(node.expression.expression.getText())
    ) {
      findings.push(finding(source, node, 'only node/adapters may serve a libp2p protocol: it asks PLANE_ACCESS'))
    }
  })
  return findings
}

function checkPlanes(tree: string): Finding[] {
  const [file] = filesBelow(tree, 'protocols', ['ports.ts']).filter((path) => path === 'protocols/ports.ts')
  if (file === undefined)
    return [{ file: 'protocols/ports.ts', line: 1, text: 'PLANES and PLANE_ACCESS are expected here' }]
  const source = readSource(tree, file)
  const constants = objectConstants([source])
  const access = constants.get('PLANE_ACCESS')
  const planes = access && texts(constants.get('PLANES'))
  if (access === undefined || planes === undefined || planes.length === 0) {
    return [{ file, line: 1, text: 'PLANES and PLANE_ACCESS are expected here' }]
  }
  return planes
    .filter((plane) => member(access, plane, constants) === undefined)
    .map((plane) => finding(source, access, `plane "${plane}" has no entry in PLANE_ACCESS`))
}

function texts(value: ts.Expression | undefined): string[] {
  const list = value !== undefined && ts.isAsExpression(value) ? value.expression : value
  return list !== undefined && ts.isArrayLiteralExpression(list)
    ? list.elements.filter(ts.isStringLiteral).map((each) => each.text)
    : []
}
