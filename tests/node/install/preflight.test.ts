import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { carriesMulticast, judge, preflight, read } from '../../../node/install/preflight.ts'
import type { PreflightOptions, PreflightReadings } from '../../../node/install/preflight.ts'

const options: PreflightOptions = {
  dataDir: '/data',
  bind: '',
  port: 8443,
  localPort: 8442,
  meshPort: 7777,
  joinPort: 7778,
  portsSet: { port: false, localPort: false, meshPort: false, joinPort: false }
}
const freePorts = { port: undefined, localPort: undefined, meshPort: undefined, joinPort: undefined }
const taken = { ...freePorts, meshPort: 'taken by another program' }
const good: PreflightReadings = {
  nodeVersion: '24.7.0',
  dataDirError: undefined,
  freeBytes: 2 ** 30,
  portErrors: freePorts,
  lanAddresses: ['192.0.2.7'],
  hasMulticastRoute: true,
  bubblewrap: '/usr/bin/bwrap'
}
const notOk = (change: Partial<PreflightReadings>, of = options) =>
  judge(of, { ...good, ...change }).filter((item) => !item.ok)

test('a PC that has everything has nothing to fix', () => {
  const items = judge(options, good)
  expect(items.every((item) => item.ok && item.fix === '')).toBe(true)
})

test.each<[string, Partial<PreflightReadings>]>([
  ['an old runtime', { nodeVersion: '24.6.9' }],
  ['an older major runtime', { nodeVersion: '22.20.0' }],
  ['a data folder without the right to write', { dataDirError: 'EACCES: permission denied' }],
  ['a full disk', { freeBytes: 255 * 2 ** 20 }]
])('%s is fatal, with a fix', (_, change) => {
  expect(notOk(change)).toEqual([
    expect.objectContaining({ fatal: true, fix: expect.stringMatching(/.{20}/) as string })
  ])
})

test.each<[string, Partial<PreflightReadings>]>([
  ['no network', { lanAddresses: [] }],
  ['no multicast route', { hasMulticastRoute: false }],
  ['no bubblewrap', { bubblewrap: undefined }],
  ['a taken default port', { portErrors: taken }]
])('%s does not keep a peer from starting', (_, change) => {
  expect(notOk(change)).toEqual([
    expect.objectContaining({ fatal: false, fix: expect.stringMatching(/.{20}/) as string })
  ])
})

test('a taken port that the user named is fatal and names its setting', () => {
  const [item] = notOk({ portErrors: taken }, { ...options, portsSet: { ...options.portsSet, meshPort: true } })
  expect(item).toMatchObject({ fatal: true, found: 'taken by another program' })
  expect(item?.fix).toContain('OMEGA_MESH_PORT')
})

test('a port that somebody listens on is read as taken, a free one as free', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const busy = (server.address() as { port: number }).port
  const folder = mkdtempSync(join(tmpdir(), 'omega-preflight-'))
  const ports = { port: busy, localPort: 0, meshPort: 0, joinPort: 0 }
  try {
    const found = await read({ ...options, ...ports, dataDir: folder, bind: '127.0.0.1' })
    expect(found.portErrors).toEqual({ ...freePorts, port: 'taken by another program' })
    expect(found.freeBytes).toBeGreaterThan(0)
  } finally {
    server.close()
    rmSync(folder, { recursive: true })
  }
})

test('a data folder below a file is found unusable, in the words of the system', async () => {
  const items = await preflight({ ...options, dataDir: join(import.meta.filename, 'data') })
  expect(items.find((item) => item.fatal)?.found).toMatch(/ENOTDIR|EEXIST/)
})

const routeLine = (destination: string, mask: string, flags = '0001', name = 'eth0') =>
  [name, destination, '00000000', flags, '0', '0', '0', mask, '0', '0', '0'].join('\t')

test('the default route and 224.0.0.0/4 carry multicast; a subnet, a route that is down and loopback do not', () => {
  expect(carriesMulticast(routeLine('00000000', '00000000', '0003'))).toBe(true)
  expect(carriesMulticast(routeLine('000000E0', '000000F0'))).toBe(true)
  expect(carriesMulticast(routeLine('0000A8C0', '00FFFFFF'))).toBe(false)
  expect(carriesMulticast(routeLine('00000000', '00000000', '0002'))).toBe(false)
  expect(carriesMulticast(routeLine('00000000', '00000000', '0001', 'lo'))).toBe(false)
  expect(carriesMulticast('')).toBe(false)
})
