/**
 * What the tests need of the system: says what is there, installs what it may (as root on Debian or Ubuntu by apt-get, a
 * browser elsewhere by playwright-core), says what it could not and what that leaves out. OMEGA_TEST_NO_INSTALL=1 forbids.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import { runCommand } from './run-command.ts'

const INSTALL_LIMIT_MS = 5 * 60_000
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome']

interface Tool {
  name: string
  found: () => string | undefined
  /** Debian package; undefined where the system has none that works. */
  debian: string | undefined
  /** Another way when apt-get is none. */
  otherwise?: string[]
  without: string
}

/** Programs with windows, and what shows them. */
export const DISPLAY_PROGRAMS = {
  Xtigervnc: 'tigervnc-standalone-server',
  openbox: 'openbox',
  'dbus-run-session': 'dbus-x11',
  mousepad: 'mousepad'
}

/** What is driven through terminals, and the Debian packages that have it. */
export const TERMINAL_PROGRAMS = { tmux: 'tmux', vim: 'vim', htop: 'htop', top: 'procps', python3: 'python3' }

const TOOLS: Record<'mesh' | 'browser', Tool[]> = {
  mesh: [
    { name: 'ip', found: () => onPath('ip'), debian: 'iproute2', without: 'real peers run on loopback: no cut links' },
    { name: 'nsenter', found: () => onPath('nsenter'), debian: 'util-linux', without: 'real peers run on loopback' },
    ...Object.entries(TERMINAL_PROGRAMS).map(([name, debian]) => ({
      name,
      found: () => onPath(name),
      debian,
      without: 'nothing: the tests of terminals fail without it'
    }))
  ],
  browser: [
    ...Object.entries(DISPLAY_PROGRAMS).map(([name, debian]) => ({
      name,
      found: () => onPath(name),
      debian,
      without: 'nothing: the tests of windows fail without it'
    })),
    {
      name: 'Chromium',
      found: browserPath,
      debian: osRelease().includes('ID=debian') ? 'chromium' : undefined,
      otherwise: [process.execPath, 'node_modules/playwright-core/cli.js', 'install', '--with-deps', 'chromium'],
      without: 'the browser tests'
    },
    {
      name: 'certutil',
      found: () => onPath('certutil'),
      debian: 'libnss3-tools',
      without: 'the browser tests in which the certificate authority of the mesh is trusted'
    }
  ]
}

/** Prints one line a tool, after trying to install the missing ones. */
export async function provideTools(part: 'mesh' | 'browser'): Promise<void> {
  for (const tool of TOOLS[part]) {
    if (tool.found() === undefined) await install(tool)
    const found = tool.found()
    console.log(`${tool.name}: ${found ?? `missing, which leaves out ${tool.without}`}`)
  }
}

/** Path of the browser to test with, Debian's before Playwright's own. */
export function browserPath(): string | undefined {
  const system = BROWSERS.map(onPath).find((path) => path !== undefined)
  if (system !== undefined) return system
  const own = chromium.executablePath()
  return existsSync(own) ? own : undefined
}

/** Full path of a program on PATH (and in the sbin folders, which a plain user's PATH may lack). */
export function onPath(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

let listsAreFresh = false

async function install(tool: Tool): Promise<void> {
  if (process.env.OMEGA_TEST_NO_INSTALL === '1') return
  const asRoot = process.getuid?.() === 0
  const command =
    asRoot && tool.debian !== undefined && onPath('apt-get') !== undefined
      ? ['apt-get', 'install', '-y', '--no-install-recommends', tool.debian]
      : asRoot
        ? tool.otherwise
        : tool.otherwise?.filter((word) => word !== '--with-deps')
  if (command === undefined) return
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  if (command[0] === 'apt-get' && !listsAreFresh) {
    await runCommand(['apt-get', 'update', '-q'], { limitMs: INSTALL_LIMIT_MS, env })
    listsAreFresh = true
  }
  console.log(`${tool.name}: installing by ${command.join(' ')}`)
  const ran = await runCommand(command, { limitMs: INSTALL_LIMIT_MS, env })
  if (ran.code !== 0) console.log(ran.output.trim().split('\n').slice(-3).join('\n'))
}

function osRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8')
  } catch {
    return '' // not a Linux
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
