/** Where a task of an array ran: no record says it, so the PCs are asked, and each looks for the log on its own disk. */
import type { Peer } from '../protocols/peer/index.ts'
import type { PeerId, SessionId } from '../protocols/ports.ts'
import { isTaskRun } from '../protocols/session/index.ts'
import type { PeerHost } from './adapters/host.ts'

const ASK_MS = 3_000
/** Asked at once. */
const ASK_MAX = 48

export interface TaskPlace {
  peer: PeerId
  session: SessionId
  epoch: number
}

export function serveTasks(peer: Peer, host: PeerHost): void {
  peer.rpc.serve('task', (_from, session, answer) => {
    if (typeof session !== 'string' || !/^[0-9a-f]{32}$/.test(session)) return answer(undefined, null)
    void latestHere(host, session).then((epoch) => answer(undefined, epoch ?? null))
  })
}

/** Its last run that any PC within reach has. */
export async function placeOfTask(
  peer: Peer,
  host: PeerHost,
  array: SessionId,
  task: number
): Promise<TaskPlace | undefined> {
  const session = peer.taskSession(array, task)
  const others = [...peer.members()].map((member) => member.peer).filter((id) => id !== peer.self)
  const able = others.filter((id) => peer.isReachable(id))
  const here = await latestHere(host, session)
  let best = here === undefined ? undefined : { peer: peer.self, session, epoch: here }
  for (let i = 0; i < able.length; i += ASK_MAX) {
    const asked = able.slice(i, i + ASK_MAX)
    const epochs = await Promise.all(asked.map((id) => ask(peer, id, session)))
    for (const [k, epoch] of epochs.entries())
      if (epoch !== undefined && epoch > (best?.epoch ?? -1)) best = { peer: asked[k]!, session, epoch }
    if (best !== undefined) return best
  }
  return best
}

function ask(peer: Peer, to: PeerId, session: SessionId): Promise<number | undefined> {
  return new Promise((resolve) => {
    peer.rpc.ask(to, 'task', session, ASK_MS, (error, epoch) =>
      resolve(error === undefined && typeof epoch === 'number' ? epoch : undefined)
    )
  })
}

async function latestHere(host: PeerHost, session: SessionId): Promise<number | undefined> {
  const epochs = await host.epochs(session).catch(() => [])
  return epochs.filter(isTaskRun).at(-1)
}
