/** `omega up`: pre-flight, start, what a person needs to know, then until the peer ends. */
import '../install/lean.ts'
import { createInterface } from 'node:readline'
import { MeshError } from '../../protocols/errors.ts'
import { readConfig } from '../config.ts'
import type { UpFlags } from '../config.ts'
import { preflight } from '../install/preflight.ts'
import { startPeer } from '../peer.ts'
import type { PeerProcess } from '../peer.ts'
import { openBrowser } from './browser.ts'
import { dim, note, print, printJson } from './output.ts'

interface Flags extends UpFlags {
  json?: boolean
  new?: boolean
  join?: string
  acceptOpenDoor?: boolean
  browser?: boolean
}

export async function up(flags: Flags, hostname: string): Promise<number> {
  const config = readConfig(process.env, flags, hostname)
  await check(config, flags.json === true)
  const peer = await startPeer({
    config,
    makeNew: flags.new === true,
    ...(flags.join === undefined ? {} : { invite: flags.join }),
    acceptOpenDoor: flags.acceptOpenDoor === true,
    say: (line) => (flags.json === true ? note(line) : print(line))
  })
  const end = (): void => void peer.down({ keepSessions: false })
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
  process.on('SIGHUP', end)
  consentByEnter(peer)
  tellWhenActive(peer, flags)
  await peer.ended
  if (peer.failure !== undefined) throw peer.failure
  return 0
}

/** Each need, what was found, the way out. What cannot work ends here. */
async function check(config: ReturnType<typeof readConfig>, json: boolean): Promise<void> {
  const items = await preflight(config)
  for (const item of json ? [] : items)
    print(
      `${item.ok ? dim('ok', process.stdout) : '!!'}  ${item.need}: ${item.found}${item.ok || item.fix === '' ? '' : `\n    ${item.fix}`}`
    )
  const fatal = items.find((item) => item.fatal)
  if (fatal !== undefined) throw new MeshError('BAD_REQUEST', `${fatal.need}: ${fatal.found}. ${fatal.fix}`)
}

/** At a terminal, Enter takes the first offer of an open door. */
function consentByEnter(peer: PeerProcess): void {
  if (!process.stdin.isTTY) return
  const lines = createInterface({ input: process.stdin })
  lines.on('line', () => {
    const offer = peer.status().offers[0]
    if (offer !== undefined) peer.accept(offer.id).catch((error: Error) => note(error.message))
  })
  // Ctrl-D is no wish to end the peer.
  lines.on('close', () => {})
}

/** Where the page is, as soon as there is one to be seen; the rest once this PC has a mesh. */
function tellWhenActive(peer: PeerProcess, flags: Flags): void {
  const told = { looking: false, active: false }
  const tell = (): void => {
    const status = peer.status()
    if (status.phase === 'looking' && !told.looking) {
      told.looking = true
      const link = peer.firstRunLink()
      if (flags.json === true || link === null) return
      print('looking for a mesh with an open door for some seconds; this PC makes its own if there is none')
      print(`page     ${link}   (to join or to found by a click, good once)`)
      if (flags.browser !== false) openBrowser(link)
    }
    if (status.phase !== 'active' || told.active) return
    told.active = true
    const link = peer.firstRunLink()
    if (flags.json === true) return printJson({ ...status, firstRunLink: link })
    print(`${status.name} is up in mesh "${status.mesh?.name ?? ''}" (${status.mesh?.id.slice(0, 8) ?? ''})`)
    for (const url of status.urls) print(`page     ${url}`)
    if (link !== null) print(`first    ${link}   (makes the owner's account, good once)`)
    for (const notice of status.notices) print(`notice   ${notice.text}${notice.fix === '' ? '' : ` -> ${notice.fix}`}`)
    if (flags.browser !== false && !told.looking) openBrowser(link ?? status.urls[0])
  }
  const stop = peer.onChange(() => {
    tell()
    // A status is made of everything this peer knows: nobody asks for it again and again for nothing.
    if (told.active) stop()
  })
  tell()
}
