/** What a person should know about this PC now, each with the way out. */
import type { PeerHost } from './adapters/host.ts'
import type { LevelStore } from './adapters/level-store.ts'
import type { NoticeView } from './http/views.ts'
import { pageFolder } from './install/layout.ts'
import type { Member } from './member.ts'

interface Parts {
  member: Member | undefined
  host: PeerHost
  store: Pick<LevelStore, 'repaired' | 'damagedValues' | 'trouble'>
  dataDir: string
  /** Now, by the wall clock. */
  wall: number
}

export function noticesOf({ member, host, store, dataDir, wall }: Parts): NoticeView[] {
  const notices: NoticeView[] = []
  const add = (code: string, text: string, fix: string): void => void notices.push({ code, text, fix })
  if (!host.state.connected)
    add(
      'no-sessiond',
      'the process that owns the sessions of this PC is not running; nothing can run here',
      'it is being restarted; see the log if this stays'
    )
  if (pageFolder() === undefined) add('no-page', 'the page is not built', 'npm run build')
  const trouble = member?.discoveryTrouble()
  if (trouble !== undefined)
    add('no-multicast', `other PCs cannot be found by themselves: ${trouble.reason}`, trouble.fix)
  if (member?.peer.isolated === true)
    add('isolated', 'no other PC of the mesh answers', 'check the network; what runs here goes on')
  for (const [peer, skewMs] of member?.peer.skews ?? []) {
    const minutes = Math.round(Math.abs(skewMs) / 60_000)
    add(
      'clock',
      `the clock of ${member!.peer.nameOf(peer)} is ${minutes} min ${skewMs > 0 ? 'ahead' : 'behind'}`,
      'set the clocks; from ten minutes on the PCs refuse each other'
    )
  }
  const refused = member?.peer.refusals.at(-1)
  if (refused !== undefined && wall - refused.at < 60_000) add('refused', `a link was refused: ${refused.text}`, '')
  for (const [id, epoch] of member?.peer.sessions.forks ?? []) {
    add(
      'fork',
      `a second run of session ${id.slice(0, 8)} (epoch ${epoch}) is kept frozen here`,
      `omega stop --fork ${id.slice(0, 8)}`
    )
  }
  if (store.repaired)
    add(
      'store-repaired',
      'the data folder was damaged and has been repaired; what could not be saved comes back from the other PCs',
      ''
    )
  if (store.damagedValues > 0)
    add('store-damaged', `${store.damagedValues} damaged entries were left out of the data folder`, 'check the disk')
  const { trouble: diskTrouble } = store
  if (diskTrouble !== undefined)
    add('disk', `the disk refuses what this PC has to keep: ${diskTrouble}`, `make room on the disk of ${dataDir}`)
  return notices
}
