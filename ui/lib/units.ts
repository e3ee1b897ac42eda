/**
 * Numbers with units, as people read them. Memory counts in 1024s (GiB), disks and networks in 1000s (GB, MB/s), as their
 * makers do. Pure; dates are shown in the browser's own zone.
 */
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Three digits are enough to act on: 0.42, 4.2, 42, 420. */
export function digits(n: number): string {
  if (!Number.isFinite(n)) return String(n)
  const size = Math.abs(n)
  if (size >= 99.5 || Number.isInteger(n)) return String(Math.round(n))
  return trimZeros(n.toFixed(size >= 9.95 ? 0 : size >= 0.995 ? 1 : 2))
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function scaled(bytes: number, step: number, units: readonly string[]): [string, string] {
  let n = bytes
  let i = 0
  while (Math.abs(n) >= step * 0.9995 && i < units.length - 1) {
    n /= step
    i++
  }
  return [digits(n), units[i] as string]
}

export function memory(bytes: number): string {
  return scaled(bytes, 1024, BINARY).join(' ')
}
export function storage(bytes: number): string {
  return scaled(bytes, 1000, DECIMAL).join(' ')
}
export function rate(bytesPerS: number): string {
  const [n, unit] = scaled(bytesPerS, 1000, DECIMAL)
  return `${n} ${unit}/s`
}

/** "41 of 128 GiB": both in the unit of the whole. */
export function memoryOf([used, whole]: [number, number]): string {
  return partOf(used, whole, 1024, BINARY)
}
export function storageOf([used, whole]: [number, number]): string {
  return partOf(used, whole, 1000, DECIMAL)
}
function partOf(part: number, whole: number, step: number, units: readonly string[]): string {
  const [n, unit] = scaled(whole, step, units)
  return `${digits(part / step ** units.indexOf(unit))} of ${n} ${unit}`
}

export function percent(ratio: number): string {
  const p = ratio * 100
  return `${p > 0 && p < 1 ? '<1' : Math.round(p)}%`
}

/** "1 core", "0.5 cores", "32 cores". */
export function coresOf(n: number): string {
  return `${digits(n)} ${n === 1 ? 'core' : 'cores'}`
}

export function milliseconds(ms: number): string {
  return ms < 1000 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}

const WORDS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve']
/** Small numbers as words; larger ones as digits. */
export function numberWord(n: number): string {
  return WORDS[n] ?? String(n)
}
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** With an end, however it came. */
export function sentence(text: string): string {
  return text === '' || /[.!?…]$/.test(text) ? text : `${text}.`
}

/** A span with at most two units: "4 s", "38 min", "2 h 11 min", "14 d". */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  if (s < 60) return `${s} s`
  const min = Math.floor(s / 60)
  if (min < 60) return `${min} min`
  const h = Math.floor(min / 60)
  if (h < 24) return min % 60 ? `${h} h ${min % 60} min` : `${h} h`
  const d = Math.floor(h / 24)
  return d < 3 && h % 24 ? `${d} d ${h % 24} h` : `${d} d`
}
export function ago(ms: number): string {
  return ms < 1000 ? 'just now' : `${span(ms)} ago`
}

/** What is left, as a clock: "9:41". */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000))
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`
}

const timeOfDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const timeWithSeconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayAndTime = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit'
})

/** "21:47" today, "12 Nov, 21:47" on other days. */
export function moment(at: number, now: number): string {
  return sameDay(at, now) ? timeOfDay.format(at) : dayAndTime.format(at)
}
export function momentWithSeconds(at: number, now: number): string {
  return sameDay(at, now)
    ? timeWithSeconds.format(at)
    : `${dayAndTime.format(at)}:${String(new Date(at).getSeconds()).padStart(2, '0')}`
}
function sameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString()
}
