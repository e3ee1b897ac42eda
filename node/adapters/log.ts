/**
 * The peer's log: a fixed phrase plus fields, one JSON line each (pino), to stderr or to a file that never grows beyond
 * its bound. The level can be changed while the peer runs. Fields whose name says that they are secret are blanked, and
 * a log that cannot be written (disk full) is counted, never a reason to stop.
 */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { pino } from 'pino'
import type { Log } from '../../protocols/ports.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogOptions {
  level: LogLevel
  /** Absent: stderr. */
  file?: string
  /** Size of one file; `filesMax` of them are kept. Default 8 MiB and 4. */
  fileMaxBytes?: number
  filesMax?: number
}
export interface PeerLog extends Log {
  readonly level: LogLevel
  setLevel(level: LogLevel): void
  /** Lines that could not be written since start. */
  readonly lostLines: number
  close(): void
}
interface Sink {
  write(line: string): void
  readonly lostLines: number
  close(): void
}

const SECRET = /secret|token|passw|passphrase|seed|privatekey|private_key|invite|cookie|authorization|ticket|recovery/i
const DEPTH_MAX = 4
const TEXT_MAX = 4096

export function createLog(options: LogOptions): PeerLog {
  const sink =
    options.file === undefined
      ? stderrSink()
      : rotatingFile(options.file, options.fileMaxBytes ?? 8 << 20, options.filesMax ?? 4)
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'phrase',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) }
    },
    sink
  )
  const line =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (phrase: string, fields?: Record<string, unknown>): void => {
      if (logger.isLevelEnabled(level)) logger[level](clean(fields ?? {}, 0) as Record<string, unknown>, phrase)
    }
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    get level() {
      return logger.level as LogLevel
    },
    setLevel(level) {
      logger.level = level
    },
    get lostLines() {
      return sink.lostLines
    },
    close: () => sink.close()
  }
}

/** A copy fit for a line: secrets blanked, errors as their words, bytes as hex, everything bounded. */
function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value
  if (typeof value === 'bigint') return String(value)
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint8Array) return Buffer.from(value.subarray(0, 64)).toString('hex')
  if (value instanceof Error) return cleanError(value, depth)
  if (depth >= DEPTH_MAX) return '…'
  if (Array.isArray(value)) return value.slice(0, 64).map((inner) => clean(inner, depth + 1))
  const out: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(value))
    out[name] = SECRET.test(name) ? '[secret]' : clean(inner, depth + 1)
  return out
}

function cleanError(error: Error, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = { name: error.name, message: clean(error.message, depth) }
  if ('code' in error) out['code'] = clean(error.code, depth)
  if (error.stack !== undefined) out['stack'] = clean(error.stack, depth)
  if (error.cause !== undefined && depth < DEPTH_MAX) out['cause'] = clean(error.cause, depth + 1)
  return out
}

function stderrSink(): Sink {
  let lostLines = 0
  return {
    get lostLines() {
      return lostLines
    },
    write(line) {
      try {
        writeSync(2, line)
      } catch {
        lostLines += 1 // stderr is closed or its reader is gone
      }
    },
    close() {}
  }
}

/** `path` is the newest, `path.1` the one before. Opened lazily and again after a failure. */
function rotatingFile(path: string, fileMaxBytes: number, filesMax: number): Sink {
  let fd: number | undefined
  let bytes = 0
  let lostLines = 0

  function open(): number {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    fd = openSync(path, 'a', 0o600)
    bytes = fstatSync(fd).size
    return fd
  }
  function rotate(): void {
    close()
    rmSync(`${path}.${filesMax - 1}`, { force: true })
    for (let i = filesMax - 2; i >= 1; i--) tryRename(`${path}.${i}`, `${path}.${i + 1}`)
    if (filesMax > 1) tryRename(path, `${path}.1`)
    else rmSync(path, { force: true })
  }
  function close(): void {
    if (fd !== undefined) closeSync(fd)
    fd = undefined
  }
  return {
    get lostLines() {
      return lostLines
    },
    write(line) {
      try {
        if (fd === undefined) open()
        const length = Buffer.byteLength(line)
        if (bytes > 0 && bytes + length > fileMaxBytes) {
          rotate()
          open()
        }
        writeSync(fd!, line)
        bytes += length
      } catch {
        lostLines += 1
        try {
          close()
        } catch {
          fd = undefined
        }
      }
    },
    close
  }
}

function tryRename(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
