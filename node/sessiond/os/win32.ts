/**
 * Windows: no process groups and no stop signal. A tree is found by descent through taskkill; the leash ends it.
 */
import { execFileSync } from 'node:child_process'
import { constants, setPriority, uptime } from 'node:os'
import { sendSignal } from './types.ts'
import type { Os } from './types.ts'

export const win32: Os = {
  canFreeze: false,
  bootMs: () => Math.round(uptime() * 1000),
  startTime(pid) {
    const script = `(Get-Process -Id ${pid}).StartTime.ToFileTimeUtc()`
    return run('powershell.exe', ['-NoProfile', '-Command', script]).trim() || undefined
  },
  signalGroup(leader, signal) {
    if (signal === 'SIGKILL') run('taskkill.exe', ['/T', '/F', '/PID', String(leader)])
    else sendSignal(leader, signal)
  },
  forks: () => undefined,
  signalTree({ leader }, signal) {
    if (leader <= 0 || signal === 'SIGCONT') return 0
    run('taskkill.exe', ['/T', '/F', '/PID', String(leader)])
    return 1
  },
  lowerPriority(pid) {
    try {
      setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
    } catch {
      // already gone
    }
  },
  deviceMark: () => undefined
}

function run(program: string, args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', windowsHide: true, stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}
