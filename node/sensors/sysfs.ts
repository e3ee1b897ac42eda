/**
 * Temperature and battery from /sys. A sensor chip may take milliseconds to answer and some drivers block longer, so these
 * reads run in the background and one file that fails costs only itself.
 */
import { readdir, readFile } from 'node:fs/promises'
import { missing, value } from './reading.ts'
import type { Reading } from './reading.ts'
import type { Battery } from './source.ts'

/** Names that drivers of processor sensors give (kernel: Documentation/hwmon). */
const CPU_CHIPS = /^(coretemp|k8temp|k10temp|zenpower|cpu_thermal|cpu-thermal|soc_thermal|via_cputemp|scpi_sensors)$/
const CPU_ZONES = /^(x86_pkg_temp|cpu.*|soc.*|acpitz)$/
const ENTRIES_MAX = 64

/** The hottest sensor of the processor. */
export async function readTemperature(root: string): Promise<Reading<number>> {
  const found = [
    ...(await chipTemperatures(`${root}/sys/class/hwmon`)),
    ...(await zoneTemperatures(`${root}/sys/class/thermal`))
  ]
  // a sensor that is not wired reports zero, or far outside of what silicon survives
  const plausible = found.filter((c) => c > 0 && c < 150)
  return plausible.length > 0
    ? value(Math.max(...plausible))
    : missing('no processor temperature in /sys/class/hwmon or /sys/class/thermal (usual in a virtual machine)')
}

/** Several batteries count as one: their mean. */
export async function readBattery(root: string): Promise<Reading<Battery>> {
  const folder = `${root}/sys/class/power_supply`
  const cells: { percent: number; status: string }[] = []
  for (const name of await list(folder)) {
    const read = async (file: string): Promise<string> => (await readText(`${folder}/${name}/${file}`)) ?? ''
    // scope Device: the battery of a mouse or a headset
    if ((await read('type')) !== 'Battery' || (await read('scope')) === 'Device') continue
    const percent = Number.parseInt(await read('capacity'), 10)
    if (percent >= 0 && percent <= 100) cells.push({ percent, status: await read('status') })
  }
  if (cells.length === 0) return missing('this PC has no battery')
  const percent = Math.round(cells.reduce((sum, cell) => sum + cell.percent, 0) / cells.length)
  const has = (status: string): boolean => cells.some((cell) => cell.status === status)
  if (has('Discharging')) return value({ percent, state: 'discharging' })
  if (has('Charging')) return value({ percent, state: 'charging' })
  return value({ percent, state: has('Full') ? 'full' : 'idle' })
}

async function chipTemperatures(folder: string): Promise<number[]> {
  const found: number[] = []
  for (const chip of await list(folder)) {
    if (!CPU_CHIPS.test((await readText(`${folder}/${chip}/name`)) ?? '')) continue
    for (const file of await list(`${folder}/${chip}`)) {
      if (/^temp\d+_input$/.test(file)) found.push(await readMilliC(`${folder}/${chip}/${file}`))
    }
  }
  return found
}

async function zoneTemperatures(folder: string): Promise<number[]> {
  const found: number[] = []
  for (const zone of await list(folder)) {
    if (!zone.startsWith('thermal_zone')) continue
    if (CPU_ZONES.test((await readText(`${folder}/${zone}/type`)) ?? ''))
      found.push(await readMilliC(`${folder}/${zone}/temp`))
  }
  return found
}

async function readMilliC(path: string): Promise<number> {
  return Number.parseInt((await readText(path)) ?? '', 10) / 1000
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined
  )
}

async function list(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.sort().slice(0, ENTRIES_MAX)
}
