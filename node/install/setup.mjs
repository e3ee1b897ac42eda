/**
 * Brings a clone to where it can run, from whatever Node npm happens to use: installs what the lock file says, brings the
 * pinned runtime, says which parts of `build/` are stale. Plain JavaScript, because it runs before anything is installed.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const windows = process.platform === 'win32'
export const root = fileURLToPath(new URL('../../', import.meta.url))
export const pinnedNode = join(root, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node')
const installedMark = join(root, 'node_modules', '.omega-installed')

/** What each part of `build/` is made from. The mark's time is when its build began, so an edit during a build counts. */
const PARTS = {
  node: ['protocols', 'node', 'package-lock.json'],
  ui: ['ui', 'package-lock.json']
}
export const builtMark = (part) => join(root, 'build', part, '.built')

/** True when `build/<part>` is at least as new as everything it is made from. */
export function isFresh(part) {
  const builtMs = modifiedMs(builtMark(part))
  return builtMs > 0 && PARTS[part].every((path) => newestMs(join(root, path)) <= builtMs)
}

/** Installs the locked packages when they are missing or the lock file has changed. Throws with one clear line. */
export function ensureInstalled() {
  if (!existsSync(pinnedNode) || readText(installedMark) !== lockHash()) {
    console.log('Installing the packages of package-lock.json ...')
    npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
  }
  if (!existsSync(pinnedNode)) {
    // npm was told to run no install scripts: the runtime's own script is all that is missing.
    const script = { cwd: join(root, 'node_modules', 'node'), stdio: 'inherit' }
    spawnSync(process.execPath, ['installArchSpecificPackage.js'], script)
  }
  if (readText(installedMark) !== lockHash()) {
    spawnSync(process.execPath, [join(root, 'node', 'install', 'prepare.mjs')], { stdio: 'inherit' })
  }
  if (!existsSync(pinnedNode)) {
    throw new Error(
      `the runtime ${pinnedNode} is missing after the install: see npm's messages above, then run "npm ci"`
    )
  }
}

export function markInstalled() {
  writeFileSync(installedMark, lockHash())
}

/** Environment in which a bare `node` is the pinned one. */
export function pinnedEnv() {
  return { ...process.env, PATH: join(root, 'node_modules', '.bin') + delimiter + (process.env.PATH ?? '') }
}

/** Runs a script on the pinned runtime in the place of this process: same terminal, signals and exit code. */
export function runPinned(script, args) {
  const argv = [pinnedNode, script, ...args]
  // Still marked experimental in some releases, whose warning is not for the person at the terminal.
  process.removeAllListeners('warning')
  if (!windows && typeof process.execve === 'function') process.execve(pinnedNode, argv, process.env)
  const child = spawn(pinnedNode, argv.slice(1), { stdio: 'inherit' })
  for (const name of ['SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name))
  // A terminal sends Ctrl-C to both by itself; twice would mean "at once".
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  child.on('error', (error) => {
    console.error(`cannot start ${pinnedNode}: ${error.message}`)
    process.exit(127)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}

function npm(args) {
  const viaNpm = process.env.npm_execpath
  const options = { cwd: root, stdio: 'inherit', shell: viaNpm === undefined && windows }
  const done = viaNpm?.endsWith('.js')
    ? spawnSync(process.execPath, [viaNpm, ...args], options)
    : spawnSync('npm', args, options)
  if (done.error) throw new Error(`npm could not be started: ${done.error.message}`)
  if (done.status !== 0) throw new Error(`"npm ${args[0]}" failed: its messages above say why`)
}

function lockHash() {
  const lock = readFileSync(join(root, 'package-lock.json'))
  return createHash('sha256').update(lock).update(`${process.platform} ${process.arch}`).digest('hex')
}

function newestMs(path) {
  let newest = modifiedMs(path)
  let entries = []
  try {
    entries = readdirSync(path, { withFileTypes: true })
  } catch {
    return newest // a file, or not there
  }
  for (const entry of entries) {
    const inner = join(path, entry.name)
    newest = Math.max(newest, entry.isDirectory() ? newestMs(inner) : modifiedMs(inner))
  }
  return newest
}

function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
