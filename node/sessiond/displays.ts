/**
 * Whether programs with windows can run on this PC, and how: a program that is to have a display is started by a program of
 * ours (display/main.ts) that starts the display first and ends with it, so to everybody else it is one child like any other.
 */
import { existsSync } from 'node:fs'
import { MeshError } from '../../protocols/errors.ts'
import type { DisplaySpec } from '../../protocols/ports.ts'
import { programFile } from '../install/layout.ts'
import { onPath } from '../on-path.ts'
import type { Launch } from './launchers/index.ts'

/** What is installed is looked at again after this. */
const LOOK_MS = 30_000
const SERVERS = ['Xtigervnc', 'Xvnc']

export interface DisplayParts {
  xvnc: string
  openbox: string
  /** Absent: programs share the message bus of the person at this PC, if there is one. */
  dbusRunSession?: string
}

let seen: { at: number; found: DisplayParts | { missing: string } } | undefined

/** What a display is made of, or in words what is missing and the command that brings it. */
export function displayParts(): DisplayParts | { missing: string } {
  const now = performance.now()
  if (seen === undefined || now - seen.at > LOOK_MS) seen = { at: now, found: look() }
  return seen.found
}

function look(): DisplayParts | { missing: string } {
  if (process.platform !== 'linux') return { missing: 'windows of programs can be shown from Linux PCs only, so far' }
  const xvnc = SERVERS.map(onPath).find((path) => path !== undefined)
  const openbox = onPath('openbox')
  if (xvnc !== undefined && openbox !== undefined) {
    const dbusRunSession = onPath('dbus-run-session')
    return { xvnc, openbox, ...(dbusRunSession === undefined ? {} : { dbusRunSession }) }
  }
  const lacks = [...(xvnc === undefined ? ['Xvnc'] : []), ...(openbox === undefined ? ['openbox'] : [])]
  return { missing: `${lacks.join(' and ')} not installed; ${installCommand()}` }
}

function installCommand(): string {
  if (existsSync('/usr/bin/apt-get')) return 'sudo apt install tigervnc-standalone-server openbox'
  if (existsSync('/usr/bin/dnf')) return 'sudo dnf install tigervnc-server openbox'
  if (existsSync('/usr/bin/pacman')) return 'sudo pacman -S tigervnc openbox'
  return 'install TigerVNC and Openbox'
}

/** `launch` on a display of its own. Throws HOST_FAILED where there can be none. */
export function onDisplay(launch: Launch, display: DisplaySpec, socket: string, folder: string): Launch {
  const parts = displayParts()
  if ('missing' in parts)
    throw new MeshError('HOST_FAILED', `it has windows, and this PC cannot show them: ${parts.missing}`)
  const { xvnc, openbox, dbusRunSession } = parts
  const size = `${display.width}x${display.height}`
  const own = ['--socket', socket, '--folder', folder, '--size', size, '--xvnc', xvnc, '--openbox', openbox]
  if (dbusRunSession !== undefined) own.push('--dbus-run-session', dbusRunSession)
  if (launch.argv0 !== undefined) own.push('--argv0', launch.argv0)
  return { file: process.execPath, args: [programFile('display'), ...own, '--', launch.file, ...launch.args] }
}
