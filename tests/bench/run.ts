/**
 * From the wish to the first byte, on another PC: the command, the API alone, and the command with a folder of 20 files;
 * beside ssh to the same place, with a connection of its own and with a shared one, and beside the same program started here.
 * One round runs every variant once.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Peer } from '../mesh/harness/index.ts'
import { Submitter } from './api-session.ts'
import type { Ran } from './api-session.ts'
import { between, commandRunsFrom, OMEGA, startBundledMesh } from './mesh.ts'
import { bench, ratio, rounds, spread } from './report.ts'
import type { Size } from './report.ts'
import { startSshd } from './sshd.ts'

const COMMAND = ['echo', 'x']
const FILES = 20
const FILE_BYTES = 4096

await bench('run', async (size) => {
  await using mesh = await startBundledMesh({ peers: ['atlas', 'den'] })
  const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
  const ssh = await startSshd(den, atlas)
  try {
    const figures = await compare(atlas, ssh, size)
    return { between: between(), omegaRunsFrom: commandRunsFrom(), ...figures }
  } finally {
    if (typeof ssh !== 'string') await ssh[Symbol.asyncDispose]()
  }
})

async function compare(atlas: Peer, ssh: Awaited<ReturnType<typeof startSshd>>, size: Size) {
  const folder = folderOf20(atlas)
  const submitter = new Submitter(atlas)
  const api: Ran[] = []
  const apiHere: Ran[] = []
  /** Until the command has ended, beside its first byte. */
  const ended: Record<string, number[]> = {}
  const command =
    (name: string, words: string[], before: () => void = () => {}, cwd?: string) =>
    async () => {
      before()
      const { firstByteMs, endedMs } = await timed(atlas, words, cwd)
      ;(ended[name] ??= []).push(endedMs)
      return firstByteMs
    }
  const omega = (...options: string[]) => [OMEGA, 'run', ...options, '--on', 'den', '--', ...COMMAND]
  const samples = await rounds(size.count(100, 5), {
    spawnHere: () => spawnHere(),
    commandHere: command('commandHere', COMMAND),
    node: command('node', [process.execPath, '-e', 'console.log("x")']),
    omegaRun: command('omegaRun', omega('--no-files')),
    omegaRunFolder: command('omegaRunFolder', omega('--files'), () => changeOne(folder), folder),
    api: async () => firstByte(api, await submitter.run({ program: 'echo', args: ['x'], on: 'den' })),
    apiHere: async () => firstByte(apiHere, await submitter.run({ program: 'echo', args: ['x'], on: 'atlas' })),
    ...(typeof ssh !== 'string' && {
      ssh: command('ssh', [...ssh.fresh, ...COMMAND]),
      sshShared: command('sshShared', [...ssh.shared, ...COMMAND]),
      sshTarFolder: command('sshTarFolder', byTar(ssh.fresh), () => changeOne(folder), folder)
    })
  })
  submitter.close()
  // The first of each was the warm-up.
  const warm = <T>(list: T[]) => list.slice(1)
  const over = (name: string, floor: string) => ratio(samples[name]!, samples[floor]!)
  return {
    ssh: typeof ssh === 'string' ? ssh : ssh.version,
    firstByteMs: Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, spread(list)])),
    wholeCommandMs: Object.fromEntries(Object.entries(ended).map(([name, list]) => [name, spread(warm(list))])),
    apiAcceptedMs: spread(warm(api).map((ran) => ran.acceptedMs)),
    apiEndedMs: spread(warm(api).map((ran) => ran.endedMs)),
    apiHereAcceptedMs: spread(warm(apiHere).map((ran) => ran.acceptedMs)),
    apiHereEndedMs: spread(warm(apiHere).map((ran) => ran.endedMs)),
    firstByteRatios: {
      omegaRunOverNode: over('omegaRun', 'node'),
      apiOverSpawnHere: over('api', 'spawnHere'),
      apiHereOverSpawnHere: over('apiHere', 'spawnHere'),
      ...(typeof ssh !== 'string' && {
        omegaRunOverSsh: over('omegaRun', 'ssh'),
        omegaRunOverSshShared: over('omegaRun', 'sshShared'),
        omegaRunFolderOverSshTarFolder: over('omegaRunFolder', 'sshTarFolder'),
        apiOverSsh: over('api', 'ssh'),
        apiOverSshShared: over('api', 'sshShared')
      })
    }
  }
}

/** A program at a peer's place, as a person there would start it: every command pays the same way into the namespace. */
async function timed(peer: Peer, words: string[], cwd?: string): Promise<{ firstByteMs: number; endedMs: number }> {
  const startedAt = performance.now()
  const running = peer.exec(words, { ...(cwd !== undefined && { cwd }) })
  running.child.stdin.end()
  let firstByteMs = Number.NaN
  running.child.stdout.once('data', () => (firstByteMs = performance.now() - startedAt))
  const { code, stdout, stderr } = await running.end(60_000)
  const endedMs = performance.now() - startedAt
  if (code !== 0 || stdout.trim() !== 'x') throw new Error(`${words.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  return { firstByteMs, endedMs }
}

/** The floor: fork and exec from this process, output by a pipe. */
function spawnHere(): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const child = spawn(COMMAND[0]!, COMMAND.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] })
    let firstByteMs = Number.NaN
    child.stdout.once('data', () => (firstByteMs = performance.now() - startedAt))
    child.once('error', reject)
    child.once('close', () => resolve(firstByteMs))
  })
}

function firstByte(list: Ran[], ran: Ran): number {
  list.push(ran)
  return ran.firstByteMs ?? Number.NaN
}

/** As by hand: the folder there by tar, the command in it, the folder gone again. Nothing comes back. */
function byTar(ssh: string[]): string[] {
  const there = `d=$(mktemp -d) && cd "$d" && tar xf - && ${COMMAND.join(' ')}; rm -rf "$d"`
  return ['sh', '-c', 'tar cf - . | "$@"', 'sh', ...ssh, there]
}

function folderOf20(peer: Peer): string {
  const folder = join(peer.workDir, 'twenty')
  mkdirSync(folder)
  for (let i = 0; i < FILES; i++)
    writeFileSync(join(folder, `file${i}.txt`), randomBytes(FILE_BYTES / 2).toString('hex'))
  return folder
}

/** Otherwise the same content would be there already the second time. */
function changeOne(folder: string): void {
  writeFileSync(join(folder, 'file0.txt'), randomBytes(FILE_BYTES / 2).toString('hex'))
}
