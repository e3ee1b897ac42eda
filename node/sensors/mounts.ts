/**
 * Room on the disks of Linux: each local file system once, however often it is mounted, and always the one that holds
 * the data folder. Network file systems are left out: asking one whose server is gone blocks a thread for minutes.
 */
import { readFile, realpath, statfs } from 'node:fs/promises'
import { posix } from 'node:path'
import { parseDiskstats, parseMountinfo } from './proc-text.ts'
import type { Mount } from './proc-text.ts'
import { inWords, missing, value } from './reading.ts'
import type { Reading } from './reading.ts'
import type { Space } from './source.ts'

const SPACES_MAX = 64
/** Images: always full, never writable. */
const IMAGES = new Set(['squashfs', 'iso9660', 'erofs', 'udf'])
/** Local file systems whose source is no path below /dev. */
const POOLED = new Set(['zfs', 'bcachefs'])

export async function readSpaces(root: string, dataDir: string): Promise<Reading<Space[]>> {
  try {
    const mounts = localMounts(parseMountinfo(await readFile(`${root}/proc/self/mountinfo`, 'utf8')), dataDir)
    const counted = await readFile(`${root}/proc/diskstats`, 'latin1').then(parseDiskstats, () => new Map())
    const byName = new Map([...counted].map(([id, disk]) => [disk.name as string, id as string]))
    const spaces: Space[] = []
    for (const mount of mounts.slice(0, SPACES_MAX)) {
      const space = await readSpace(root, mount)
      if (space === undefined) continue
      const counterId = counted.has(mount.deviceId) ? mount.deviceId : byName.get(await kernelName(root, mount.device))
      spaces.push({ ...space, counterId })
    }
    return spaces.length > 0 ? value(spaces) : missing('no local disk is mounted')
  } catch (error) {
    return missing(inWords(error))
  }
}

/** Sorted by where they are mounted. */
export function localMounts(mounts: readonly Mount[], dataDir: string): Mount[] {
  const holder = mounts.findLast((m) => holds(m.mount, dataDir) && !mounts.some((n) => isNearer(n, m, dataDir)))
  const chosen = new Map<string, Mount>()
  for (const mount of mounts) {
    const local = mount.device.startsWith('/dev/') || POOLED.has(mount.type)
    if (mount !== holder && (!local || IMAGES.has(mount.type))) continue
    const known = chosen.get(mount.deviceId)
    if (known === undefined || isBetter(mount, known)) chosen.set(mount.deviceId, mount)
  }
  // subvolumes of one btrfs have ids of their own and one device
  const byDevice = new Map<string, Mount>()
  for (const mount of chosen.values()) {
    const key = mount.device.startsWith('/dev/') ? mount.device : mount.deviceId
    const known = byDevice.get(key)
    if (known === undefined || isBetter(mount, known)) byDevice.set(key, mount)
  }
  return [...byDevice.values()].sort((a, b) => (a.mount < b.mount ? -1 : 1))
}

function holds(mount: string, path: string): boolean {
  return mount === '/' || path === mount || path.startsWith(`${mount}/`)
}

function isNearer(a: Mount, b: Mount, path: string): boolean {
  return a.mount.length > b.mount.length && holds(a.mount, path)
}

/** The whole file system before a part of it, then the shorter path. */
function isBetter(a: Mount, b: Mount): boolean {
  if ((a.subtree === '/') !== (b.subtree === '/')) return a.subtree === '/'
  return a.mount.length < b.mount.length
}

async function readSpace(root: string, mount: Mount): Promise<Omit<Space, 'counterId'> | undefined> {
  try {
    const { bsize, blocks, bavail } = await statfs(root + mount.mount)
    if (blocks === 0) return undefined
    return { mount: mount.mount, device: mount.device, bytes: bsize * blocks, freeBytes: bsize * bavail }
  } catch {
    // unmounted since, or not for this user: it is no room we could speak of
    return undefined
  }
}

/** Behind /dev/mapper/name and /dev/disk/by-… stands the name that /proc/diskstats uses. */
async function kernelName(root: string, device: string): Promise<string> {
  const real = await realpath(root + device).catch(() => device)
  return posix.basename(real)
}
