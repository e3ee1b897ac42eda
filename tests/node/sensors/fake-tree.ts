/** A tree of files like /proc and /sys in a folder of its own, for the sensors' tests. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface FakeTree {
  root: string
  write(files: Record<string, string>): void
  remove(): void
}

/** A PC with two cores, 8 GiB, one disk and one network card. */
export function fakeTree(): FakeTree {
  const root = mkdtempSync(join(tmpdir(), 'omega-sensors-'))
  const write = (files: Record<string, string>): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
  }
  write({
    '/etc/os-release': 'NAME="Test OS"\nPRETTY_NAME="Test OS 1 (first)"\n',
    '/proc/cpuinfo': 'processor\t: 0\nmodel name\t: Test CPU 3000\n',
    '/proc/stat': stat([100, 900], [0, 1000]),
    '/proc/meminfo': 'MemTotal:       8388608 kB\nMemFree:        1000000 kB\nMemAvailable:   6291456 kB\n',
    '/proc/loadavg': '0.75 0.50 0.25 1/200 4242\n',
    '/proc/net/dev': netDev({ lo: [50, 50], eth0: [1000, 2000], docker0: [500, 500] }),
    '/proc/diskstats': diskstats(100, 200),
    '/proc/self/mountinfo': '20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 20 0:5 / /proc rw - proc proc rw\n',
    '/proc/self/status': 'Name:\tnode\nCpus_allowed_list:\t0-1\n',
    '/proc/self/cgroup': '0::/\n',
    '/sys/class/net/eth0/device/vendor': '0x8086\n',
    '/sys/class/net/eth0/speed': '1000\n'
  })
  return { root, write, remove: () => rmSync(root, { recursive: true }) }
}

/** Each core as [busy, idle] ticks. */
export function stat(...cores: [number, number][]): string {
  const lines = cores.map(([busy, idle], i) => `cpu${i} ${busy} 0 0 ${idle} 0 0 0 0 0 0`)
  return ['cpu  0 0 0 0 0 0 0 0 0 0', ...lines, 'intr 12345 0 0', 'btime 1700000000', ''].join('\n')
}

export function netDev(interfaces: Record<string, [number, number]>): string {
  const lines = Object.entries(interfaces).map(([name, [rx, tx]]) => `${name}: ${rx} 9 0 0 0 0 0 0 ${tx} 9 0 0 0 0 0 0`)
  return ['Inter-|   Receive', ' face |bytes    packets', ...lines, ''].join('\n')
}

export function diskstats(readSectors: number, writtenSectors: number): string {
  return `   8       1 sda1 10 0 ${readSectors} 5 20 0 ${writtenSectors} 9 0 0 0\n`
}
