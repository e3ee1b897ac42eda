/**
 * `npm run build`: the page by vite (`ui/` -> `build/ui/`) and the program by esbuild (`node/` -> `build/node/`), each only
 * when stale. Running peers keep their old chunks: those go a week later.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtMark, ensureInstalled, isFresh, pinnedEnv, pinnedNode, root } from './setup.mjs'

const CHUNK_KEPT_MS = 7 * 24 * 3600 * 1000
/** Entry points by name; layout.ts reads the same file. */
const PROGRAMS = JSON.parse(readFileSync(new URL('programs.json', import.meta.url), 'utf8'))
/** CommonJS packages inside the bundle ask for these. */
const COMMONJS = `import { createRequire as createRequire_ } from 'node:module'
const require = createRequire_(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname`

/** Brings `build/` up to date. Rejects with one clear line. */
export async function build() {
  if (existsSync(join(root, 'ui', 'vite.config.ts'))) await part('ui', 'the page', buildPage)
  await part('node', 'the program', buildProgram)
}

async function part(name, what, make) {
  if (isFresh(name)) return
  const beganAt = new Date()
  console.log(`Building ${what} ...`)
  const folder = join(root, 'build', name)
  mkdirSync(folder, { recursive: true })
  rmSync(builtMark(name), { force: true })
  await make(folder)
  writeFileSync(builtMark(name), '')
  utimesSync(builtMark(name), beganAt, beganAt)
}

function buildPage() {
  const args = [
    join('node_modules', 'vite', 'bin', 'vite.js'),
    'build',
    '--config',
    'ui/vite.config.ts',
    '--logLevel',
    'warn'
  ]
  const done = spawnSync(pinnedNode, args, { cwd: root, stdio: 'inherit', env: pinnedEnv() })
  if (done.error || done.status !== 0) throw new Error('vite could not build the page: its messages above say why')
}

/**
 * Node's own modules as objects that are loaded when they are used. An ES import of one loads it at once and reads each of
 * its exports, with which node:http brings all that fetch is made of and node:process opens stdin: 40 ms of each command.
 */
const WHEN_USED = [
  'child_process',
  'crypto',
  'dgram',
  'dns/promises',
  'http',
  'http2',
  'https',
  'net',
  'readline',
  'worker_threads',
  'zlib'
]
/** Their functions know their object, so they are taken as they are; but their exports are not read either. */
const AS_IT_IS = ['cluster', 'fs', 'process']

const onlyWhatIsUsed = {
  name: 'only-what-is-used',
  setup({ onResolve, onLoad }) {
    const builtin = new RegExp(`^(node:)?(${[...WHEN_USED, ...AS_IT_IS].join('|')})$`)
    onResolve({ filter: builtin }, ({ path, kind }) =>
      kind === 'dynamic-import' ? undefined : { path: path.replace('node:', ''), namespace: 'builtin' }
    )
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: AS_IT_IS.includes(path)
        ? `module.exports = process.getBuiltinModule('${path}')`
        : `let it
const load = () => (it ??= process.getBuiltinModule('${path}'))
module.exports = Object.create(new Proxy({}, { get: (_, name) => load()[name], has: (_, name) => name in load() }))`
    }))
    // Zod's words for errors in fifty languages; ours come from here.
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'"
    }))
  }
}

async function buildProgram(folder) {
  const { build: bundle } = await import('esbuild')
  await bundle({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Object.entries(PROGRAMS).filter(([, source]) => existsSync(join(root, source)))),
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: COMMONJS },
    plugins: [onlyWhatIsUsed],
    // A native addon finds its binary, and the page of the API its assets, beside their own files. Fastify's own compilers
    // and its test client are never asked for: their text need not be read at each start.
    external: [
      'classic-level',
      '@lydell/node-pty',
      '@fastify/swagger-ui',
      '@fastify/ajv-compiler',
      '@fastify/fast-json-stringify-compiler',
      'light-my-request'
    ]
  })
  dropOldChunks(folder)
}

function dropOldChunks(folder) {
  const oldest = Date.now() - CHUNK_KEPT_MS
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (name.endsWith('.js') && statSync(path).mtimeMs < oldest) rmSync(path)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    ensureInstalled()
    await build()
  } catch (error) {
    console.error(`omega: ${error.message}`)
    process.exitCode = 1
  }
}
