/**
 * What a PC gives and how it is (PROTOCOLS.md 2.2): the static half, sent on change, and the dynamic half, sent when it
 * moved or as a heartbeat. A value that cannot be read is absent; why is said in the static half.
 */
import { z } from 'zod'
import { decodeCbor, encodeCbor, readOnce } from '../codec.ts'
import { MeshError } from '../errors.ts'

const Count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const Text = (chars: number) => z.string().max(chars)
const Share = z.object({ cpuMilli: Count, memoryBytes: Count })

/** A PC with more shows the first of them. */
export const APPS_MAX = 256

export const AdStatic = z.object({
  os: Text(120),
  arch: Text(32),
  cpuModel: Text(120).optional(),
  cores: z.int().min(1).max(4096),
  memoryBytes: Count,
  gpus: z.array(Text(120)).max(16),
  labels: z.record(Text(64), Text(256)).refine((labels) => Object.keys(labels).length <= 32, 'has more than 32 labels'),
  name: Text(64),
  version: Text(32),
  /** https addresses of its page. */
  urls: z.array(Text(200)).max(16),
  /** What its owner gives the mesh. */
  offer: Share,
  /** It keeps records and votes, and runs nothing: the third of two PCs. */
  witness: z.boolean().optional(),
  /** Programs with windows can run here. Absent: why not is said under `displays` in `missing`. */
  displays: z.boolean().optional(),
  /** The applications that are installed here: id and name, sorted by id. */
  apps: z
    .array(z.tuple([Text(64), Text(80)]))
    .max(APPS_MAX)
    .optional(),
  /** SHA-256 of its TLS certificate, hex. */
  tlsFingerprint: Text(128),
  /** Field of the dynamic half -> why it cannot be read here. */
  missing: z
    .record(Text(32), Text(120))
    .refine((missing) => Object.keys(missing).length <= 24, 'has more than 24 fields')
})
export type AdStatic = z.infer<typeof AdStatic>

export const AdDynamic = z.object({
  /** Busy share of all cores, 0 to 1. */
  cpu: z.number().min(0).max(1).optional(),
  /** Busy share of each core, 0 to 255. */
  perCore: z
    .custom<Uint8Array>((v) => v instanceof Uint8Array && v.length <= 512, 'is not at most 512 bytes')
    .optional(),
  load1: z.number().min(0).max(1e6).optional(),
  memoryUsedBytes: Count.optional(),
  diskBytes: Count.optional(),
  diskFreeBytes: Count.optional(),
  rxBytesPerS: Count.optional(),
  txBytesPerS: Count.optional(),
  temperatureC: z.number().min(-100).max(300).optional(),
  battery: z.object({ percent: z.number().min(0).max(100), charging: z.boolean() }).optional(),
  /** Milliseconds since 1970. */
  bootedAt: Count.optional(),
  /** What sessions hold of the offer now. */
  granted: Share,
  paused: z.boolean(),
  draining: z.boolean(),
  sessions: z.int().min(0).max(1_000_000),
  usedBy: Text(120).optional(),
  /** Sessions of which an older run is kept frozen here. */
  forks: z.array(Text(32)).max(16).optional()
})
export type AdDynamic = z.infer<typeof AdDynamic>

/** Short names on the wire: a dynamic half with all its fields stays around 120 bytes and one byte a core. */
const STATIC_KEYS = {
  os: 'o',
  arch: 'a',
  cpuModel: 'c',
  cores: 'n',
  memoryBytes: 'm',
  gpus: 'g',
  labels: 'l',
  name: 'h',
  version: 'v',
  urls: 'u',
  offer: 'f',
  witness: 'w',
  displays: 'd',
  apps: 'p',
  tlsFingerprint: 't',
  missing: 'x'
} as const satisfies Record<keyof AdStatic, string>
const DYNAMIC_KEYS = {
  cpu: 'c',
  perCore: 'p',
  load1: 'l',
  memoryUsedBytes: 'm',
  diskBytes: 'd',
  diskFreeBytes: 'f',
  rxBytesPerS: 'r',
  txBytesPerS: 's',
  temperatureC: 't',
  battery: 'b',
  bootedAt: 'u',
  granted: 'g',
  paused: 'z',
  draining: 'w',
  sessions: 'n',
  usedBy: 'y',
  forks: 'k'
} as const satisfies Record<keyof AdDynamic, string>

/** Throws WIRE_INVALID when a field is out of its bounds. */
export function encodeAdStatic(ad: AdStatic): Uint8Array {
  return encodeCbor(renamed(checked(AdStatic, ad, 'static advertisement'), STATIC_KEYS))
}

export function encodeAdDynamic(ad: AdDynamic): Uint8Array {
  const own = checked(AdDynamic, ad, 'dynamic advertisement')
  const bytes = encodeCbor(renamed(own, DYNAMIC_KEYS))
  readOnce(bytes, () => own)
  return bytes
}

/** Throws WIRE_INVALID. Fields this version does not know are ignored. */
export function decodeAdStatic(bytes: Uint8Array): AdStatic {
  return readOnce(bytes, () => checked(AdStatic, originalNames(decodeCbor(bytes), STATIC_KEYS), 'static advertisement'))
}

export function decodeAdDynamic(bytes: Uint8Array): AdDynamic {
  return readOnce(bytes, () =>
    checked(AdDynamic, originalNames(decodeCbor(bytes), DYNAMIC_KEYS), 'dynamic advertisement')
  )
}

/** Shortest pause between two dynamic halves, at 200 peers or fewer; and the longest, at 12,000 and more. */
const PAUSE_MIN_MS = 1000
const PAUSE_MAX_MS = 60_000
/** New dynamic halves a second that the whole mesh may make. */
const ADS_PER_S = 200
/** Up to so many peers a screen is never older than two seconds. */
const SMALL_MESH = 50
const SMALL_HEARTBEAT_MS = 2000
/** In larger meshes a heartbeat comes each six pauses. */
const HEARTBEAT_PAUSES = 6
/** A reading each second comes a little early or late; a heartbeat does not wait for the next one because of that. */
const EARLY = 0.9
/** What moves less than this tells nobody anything. */
const MOVED = 0.1

/** The shortest pause between two dynamic halves of one peer in a mesh of so many. */
export function adPauseMs(peers: number): number {
  return Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, (peers / ADS_PER_S) * 1000))
}

/** A dynamic half is told at least this often. */
export function heartbeatMs(peers: number): number {
  return peers <= SMALL_MESH ? SMALL_HEARTBEAT_MS : HEARTBEAT_PAUSES * adPauseMs(peers)
}

/** In a small mesh a grant is told at once; in a larger one the pause holds for it, too. */
export function isSmallMesh(peers: number): boolean {
  return peers <= SMALL_MESH
}

/**
 * Whether the dynamic half is to be sent now. `elapsedMs`: since it was sent last. Sent when it moved by a tenth of what
 * the PC has or offers, when its offer is used up or free again, or as a heartbeat; never more often than the mesh can carry.
 */
export function shouldAdvertise(
  previous: AdDynamic | undefined,
  next: AdDynamic,
  elapsedMs: number,
  peers: number,
  offer?: { cpuMilli: number; memoryBytes: number }
): boolean {
  if (previous === undefined) return true
  const pauseMs = adPauseMs(peers)
  if (elapsedMs >= EARLY * heartbeatMs(peers)) return true
  return elapsedMs >= EARLY * pauseMs && hasMoved(previous, next, offer)
}

function hasMoved(previous: AdDynamic, next: AdDynamic, offer: Partial<AdDynamic['granted']> = {}): boolean {
  if (previous.paused !== next.paused || previous.draining !== next.draining) return true
  if (previous.sessions !== next.sessions || previous.usedBy !== next.usedBy) return true
  if (
    (previous.battery === undefined) !== (next.battery === undefined) ||
    previous.battery?.charging !== next.battery?.charging
  )
    return true
  return (
    movedBy(previous.cpu, next.cpu, 1) ||
    movedBy(previous.memoryUsedBytes, next.memoryUsedBytes) ||
    movedBy(previous.diskFreeBytes, next.diskFreeBytes, next.diskBytes) ||
    movedBy(previous.granted.cpuMilli, next.granted.cpuMilli, offer.cpuMilli) ||
    movedBy(previous.granted.memoryBytes, next.granted.memoryBytes, offer.memoryBytes) ||
    isUsedUp(previous.granted, offer) !== isUsedUp(next.granted, offer)
  )
}

function isUsedUp(granted: AdDynamic['granted'], offer: Partial<AdDynamic['granted']>): boolean {
  return granted.cpuMilli >= (offer.cpuMilli ?? Infinity) || granted.memoryBytes >= (offer.memoryBytes ?? Infinity)
}

/** A tenth of the whole, or of the larger value where the whole is not in the record. A value that comes or goes has moved. */
function movedBy(before: number | undefined, after: number | undefined, whole?: number): boolean {
  if (before === undefined || after === undefined) return before !== after
  return before !== after && Math.abs(after - before) >= MOVED * (whole ?? Math.max(before, after))
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new MeshError('WIRE_INVALID', `${what}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is invalid'}`)
}

function renamed(value: Record<string, unknown>, names: Record<string, string>): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  for (const [name, short] of Object.entries(names)) if (value[name] !== undefined) out[short] = value[name]
  return out
}

function originalNames(value: unknown, names: Record<string, string>): unknown {
  if (value === null || typeof value !== 'object') return value
  const out: Record<string, unknown> = {}
  for (const [name, short] of Object.entries(names)) {
    const inner = (value as Record<string, unknown>)[short]
    if (inner !== undefined) out[name] = inner
  }
  return out
}
