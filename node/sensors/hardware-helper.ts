/**
 * A short-lived program: asks systeminformation what this PC is made of and prints one JSON document, `HardwareReport`, of at
 * most 256 KiB, then exits, after 20 s at the latest. It starts other programs to find out, so sessiond runs it beside
 * the peer. Takes no arguments. Values stand as systeminformation gives them, but what it left empty is left out.
 */
import { writeSync } from 'node:fs'
import si from 'systeminformation'
import { toRows } from './hardware-rows.ts'
import type { HardwareReport, Row } from './hardware-rows.ts'

const DEADLINE_MS = 18_000
const REPORT_MAX_BYTES = 256 * 1024

/** Section title to what answers it. One at a time: together they would load a small PC for seconds. */
const SECTIONS: Record<string, () => Promise<unknown>> = {
  System: () => si.system(),
  Firmware: () => si.bios(),
  'Main board': () => si.baseboard(),
  Chassis: () => si.chassis(),
  'Operating system': () => si.osInfo(),
  Processor: () => si.cpu(),
  Temperature: () => si.cpuTemperature(),
  Memory: () => si.memLayout(),
  Graphics: async () => (await si.graphics()).controllers,
  Displays: async () => (await si.graphics()).displays,
  Battery: batteries,
  Disks: () => si.diskLayout(),
  'USB devices': () => si.usb(),
  'Sound devices': () => si.audio()
}

const report: HardwareReport = { at: Date.now(), sections: {}, errors: {} }
const unread = new Set(Object.keys(SECTIONS))

setTimeout(() => {
  for (const title of unread) report.errors[title] = `no answer within ${DEADLINE_MS / 1000} s`
  printAndExit()
}, DEADLINE_MS)

for (const [title, read] of Object.entries(SECTIONS)) {
  await collect(title, read)
  unread.delete(title)
}
printAndExit()

async function collect(title: string, read: () => Promise<unknown>): Promise<void> {
  try {
    const rows = toRows(await read())
    if (rows.length === 0) report.errors[title] = 'this PC tells nothing about it'
    else keep(title, rows)
  } catch (error) {
    report.errors[title] = String((error as Error).message ?? error).slice(0, 500)
  }
}

function keep(title: string, rows: Row[]): void {
  report.sections[title] = rows
  if (Buffer.byteLength(JSON.stringify(report)) <= REPORT_MAX_BYTES - 8192) return
  delete report.sections[title]
  report.errors[title] = `left out: with it the report would exceed ${REPORT_MAX_BYTES / 1024} KiB`
}

async function batteries(): Promise<unknown[]> {
  const { additionalBatteries = [], ...first } = await si.battery()
  return first.hasBattery ? [first, ...additionalBatteries] : []
}

function printAndExit(): never {
  const bytes = Buffer.from(JSON.stringify(report) + '\n')
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += writeSync(1, bytes, sent)
    } catch (error) {
      // a pipe whose reader is slower than we are
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.exit(1)
    }
  }
  process.exit(0)
}
