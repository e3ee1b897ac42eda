/** Parsers meet the texts of real kernels, and texts that no kernel writes. */
import { expect, test } from 'vitest'
import { localMounts } from '../../../node/sensors/mounts.ts'
import * as text from '../../../node/sensors/proc-text.ts'

test('waiting for a disk is idle time, time the hypervisor took is not', () => {
  const cores = text.parseCoreTicks('cpu 1 2 3\ncpu0 10 20 30 400 50 6 7 8 10 20\ncpu2 1 0 0 9 0 0 0 0 0 0\nintr 5\n')
  expect([...cores]).toEqual([
    [0, { busy: 81, total: 531 }],
    [2, { busy: 1, total: 10 }]
  ])
})

test('texts without a usable line are errors that name the file', () => {
  expect(() => text.parseCoreTicks('')).toThrow('/proc/stat lists no core')
  expect(() => text.parseNetDev('Inter-| Receive\n')).toThrow('/proc/net/dev lists no interface')
  expect(() => text.parseLoad1('high')).toThrow('/proc/loadavg')
  expect(() => text.parseMeminfo('MemTotal: 5 kB\n')).toThrow('MemAvailable')
})

test('lists of CPUs may have ranges and single numbers', () => {
  expect(text.parseCpuList('0-2,5\n')).toEqual([0, 1, 2, 5])
  expect(text.parseCpuList('')).toEqual([])
  expect(text.parseCpuList('0-99999999')).toHaveLength(4096)
})

test('mount points with blanks are read back', () => {
  const [mount] = text.parseMountinfo('36 35 98:0 / /mnt/my\\040disk rw,noatime master:1 - ext3 /dev/sdb rw\n')
  expect(mount).toEqual({ mount: '/mnt/my disk', device: '/dev/sdb', deviceId: '98:0', type: 'ext3', subtree: '/' })
})

test('each local disk is listed once: no bind mounts, images, network or memory file systems', () => {
  const mounts = text.parseMountinfo(
    [
      '1 0 8:2 / / rw - ext4 /dev/sda2 rw',
      '2 1 8:2 /srv/x /var/x rw - ext4 /dev/sda2 rw',
      '3 1 8:1 / /boot rw - vfat /dev/sda1 rw',
      '4 1 7:0 / /snap/core ro - squashfs /dev/loop0 ro',
      '5 1 0:40 / /net rw - nfs4 server:/export rw',
      '6 1 0:41 / /tmp rw - tmpfs tmpfs rw',
      '7 1 0:50 /@home /home rw - btrfs /dev/sdb1 rw',
      '8 1 0:50 /@var /var/lib rw - btrfs /dev/sdb1 rw'
    ].join('\n')
  )
  expect(localMounts(mounts, '/home/ann/.omega').map((m) => m.mount)).toEqual(['/', '/boot', '/home'])
})

test('the file system of the data folder is listed whatever its kind', () => {
  const mounts = text.parseMountinfo('1 0 0:30 / / rw - overlay overlay rw\n2 1 0:31 / /data rw - tmpfs tmpfs rw\n')
  expect(localMounts(mounts, '/data/omega').map((m) => m.mount)).toEqual(['/data'])
  expect(localMounts(mounts, '/database').map((m) => m.mount)).toEqual(['/'])
})
