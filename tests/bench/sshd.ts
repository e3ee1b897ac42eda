/**
 * What people would use instead: a temporary sshd at a peer's place, with a host key, a client key and a configuration of its
 * own, and the words of a client that reaches it without a question. Undefined with a reason when it cannot be had.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Peer, Running } from '../mesh/harness/index.ts'
import { runCommand } from '../setup/run-command.ts'
import { onPath } from '../setup/tools.ts'

const PORT = 18_022
const INSTALL_LIMIT_MS = 5 * 60_000
/** Compiled into sshd: the folder it locks its unprivileged half into. */
const SEPARATION_FOLDER = '/run/sshd'

export interface SshServer extends AsyncDisposable {
  version: string
  /** A connection of its own for each command. */
  fresh: string[]
  /** One connection, kept open and shared by all commands. */
  shared: string[]
}

export async function startSshd(peer: Peer, client: Peer): Promise<SshServer | string> {
  const sshd = await provide()
  if (sshd === undefined) return 'sshd is missing: install openssh-server to have the figures of ssh beside ours'
  if (onPath('ssh') === undefined || onPath('ssh-keygen') === undefined) return 'ssh or ssh-keygen is missing'
  const folder = join(peer.folder, 'sshd')
  mkdirSync(folder, { mode: 0o700 })
  const file = (name: string) => join(folder, name)
  for (const key of ['host_key', 'client_key']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', file(key)])
  }
  execFileSync('cp', [file('client_key.pub'), file('authorized_keys')])
  const hostKey = execFileSync('cat', [file('host_key.pub')], { encoding: 'utf8' })
    .split(' ')
    .slice(0, 2)
    .join(' ')
  writeFileSync(file('known_hosts'), `[${peer.address}]:${PORT} ${hostKey}\n`)
  const settings = {
    Port: PORT,
    ListenAddress: peer.address,
    HostKey: file('host_key'),
    AuthorizedKeysFile: file('authorized_keys'),
    PidFile: 'none',
    StrictModes: 'no',
    UsePAM: 'no',
    UseDNS: 'no',
    PasswordAuthentication: 'no',
    PermitRootLogin: 'prohibit-password',
    PrintMotd: 'no',
    // A bare shell: what somebody's own profile takes is not ssh's.
    SetEnv: `HOME=${peer.home}`,
    LogLevel: 'ERROR'
  }
  writeFileSync(file('sshd_config'), lines(settings))
  const madeFolder = process.getuid?.() === 0 && !existsSync(SEPARATION_FOLDER)
  if (madeFolder) mkdirSync(SEPARATION_FOLDER, { mode: 0o755 })
  const server = peer.exec([sshd, '-D', '-e', '-f', file('sshd_config')])
  const common = ['ssh', '-F', '/dev/null', '-T', '-p', String(PORT), '-i', file('client_key')]
  const options = {
    UserKnownHostsFile: file('known_hosts'),
    StrictHostKeyChecking: 'yes',
    IdentitiesOnly: 'yes',
    BatchMode: 'yes',
    LogLevel: 'ERROR'
  }
  const words = [...common, ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])]
  const target = `${userInfo().username}@${peer.address}`
  const control = ['-o', `ControlPath=${file('control')}`]
  const fresh = [...words, '-o', 'ControlMaster=no', '-o', 'ControlPath=none', target]
  const running = [server]
  const stop = async (): Promise<void> => {
    for (const one of running) one.kill('SIGTERM')
    await Promise.all(running.map((one) => one.ended))
    if (madeFolder) rmdirSync(SEPARATION_FOLDER)
  }
  try {
    await answers(client, fresh, server)
    const master = client.exec([...words, ...control, '-o', 'ControlMaster=yes', '-N', target])
    running.push(master)
    await answers(client, [...words, ...control, '-O', 'check', target], master)
  } catch (error) {
    await stop()
    return `a temporary sshd did not answer: ${(error as Error).message.split('\n')[0]}`
  }
  return {
    version: execFileSync('sh', ['-c', 'ssh -V 2>&1'], { encoding: 'utf8' }).trim(),
    fresh,
    shared: [...words, ...control, '-o', 'ControlMaster=no', target],
    [Symbol.asyncDispose]: stop
  }
}

/** Until a command goes through: the server listens a moment after it was started. */
async function answers(client: Peer, words: string[], server: Running): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { code, stderr } = await client.exec([...words, ...(words.includes('-O') ? [] : ['true'])]).end(30_000)
    if (code === 0) return
    if (server.child.exitCode !== null) throw new Error(`it ended with ${server.child.exitCode}: ${server.stderr}`)
    if (attempt === 50) throw new Error(`${stderr.trim()} ${server.stderr.trim()}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function lines(settings: Record<string, string | number>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${value}\n`)
    .join('')
}

/**
 * By apt-get as root, unless OMEGA_TEST_NO_INSTALL=1, and only where nothing would start it at the next boot: a person's PC
 * gets no open port from a bench.
 */
async function provide(): Promise<string | undefined> {
  const mayInstall =
    process.getuid?.() === 0 && process.env.OMEGA_TEST_NO_INSTALL !== '1' && onPath('apt-get') !== undefined
  if (onPath('sshd') === undefined && mayInstall && !existsSync('/run/systemd/system')) {
    const command = ['apt-get', 'install', '-y', '--no-install-recommends', 'openssh-server']
    console.error(`bench: installing by ${command.join(' ')}`)
    await runCommand(command, { limitMs: INSTALL_LIMIT_MS, env: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' } })
  }
  return onPath('sshd')
}
