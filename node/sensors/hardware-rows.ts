/**
 * What the hardware helper prints, and the checks of those who read it. Sections are tables of plain fields: nested
 * objects become dotted names, empty values are dropped. Serial numbers and machine ids are dropped too: they name one PC
 * to its maker and to trackers, and no page needs them.
 */
import { z } from 'zod'

const ROWS_MAX = 64
const FIELDS_MAX = 96
const TEXT_MAX = 300
const IDENTIFYING =
  /(^|\.)(uuid|uuids|serial|serialNum|serialNumber|serialnumber|serial_number|assetTag|machineId|hostname|fqdn|macs|hardware)$/i
/** Zero here is systeminformation's way to say that nobody knows. */
const NEVER_ZERO =
  /(speed|speedMin|speedMax|clockSpeed|temperature\w*|voltage\w*|size|vram|memory\w*|capacity|main|max|bytesPerSector)$/i
/** Of no use to a person: a picture's name, and lists of hundreds of words. */
const NOISE = /^(logofile|flags|smartData\.json_format_version.*)$/

const Field = z.union([z.string(), z.number(), z.boolean(), z.null()])
export const HardwareReport = z.object({
  /** Milliseconds since 1970 on that PC. */
  at: z.number(),
  sections: z.record(z.string().max(64), z.array(z.record(z.string().max(200), Field)).max(ROWS_MAX)),
  /** Section to why it is absent. */
  errors: z.record(z.string().max(64), z.string())
})
export type HardwareReport = z.infer<typeof HardwareReport>
export type Row = HardwareReport['sections'][string][number]

/** Rows of a section: of an array its items, of an object itself. */
export function toRows(section: unknown): Row[] {
  const items = Array.isArray(section) ? section : [section]
  const rows: Row[] = []
  for (const item of items.slice(0, ROWS_MAX)) {
    const row: Row = {}
    addFields(row, '', item)
    if (Object.keys(row).length > 0) rows.push(row)
  }
  return rows
}

function addFields(row: Row, prefix: string, item: unknown): void {
  if (item === null || typeof item !== 'object') return
  for (const [key, field] of Object.entries(item)) {
    const name = prefix + key
    if (IDENTIFYING.test(name) || NOISE.test(name)) continue
    if (Object.keys(row).length >= FIELDS_MAX) return
    if (Array.isArray(field)) addText(row, name, field.filter((f) => typeof f !== 'object').join(', '))
    else if (typeof field === 'object') addFields(row, `${name}.`, field)
    else if (typeof field === 'string') addText(row, name, field)
    else if (typeof field === 'boolean') row[name] = field
    else if (Number.isFinite(field) && !(field === 0 && NEVER_ZERO.test(key))) row[name] = field as number
  }
}

/** Firmware often answers with a form that nobody filled in. */
function addText(row: Row, name: string, text: string): void {
  const trimmed = text.trim().slice(0, TEXT_MAX)
  if (trimmed !== '' && !/^(to be filled by o\.?e\.?m\.?|default string|not specified|unknown|none|-)$/i.test(trimmed))
    row[name] = trimmed
}
