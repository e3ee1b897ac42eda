/** The thread of mirrors.ts: draws logs of terminals into terminals without a window, and says what these show. */
import { parentPort } from 'node:worker_threads'
import { Mirror } from './mirror.ts'
import type { Screen } from './wire.ts'

export type ToMirrors =
  | { t: 'screen'; n: number; name: string; folder: string; end: number }
  | { t: 'draw'; name: string; folder: string; end: number }
  | { t: 'drop'; name: string }
export type FromMirrors = { n: number; error?: string } & Partial<Screen>

const mirrors = new Map<string, { mirror: Mirror; drawing: Promise<unknown> }>()

parentPort?.on('message', (message: ToMirrors) => {
  if (message.t === 'drop') {
    mirrors.get(message.name)?.mirror.close()
    mirrors.delete(message.name)
    return
  }
  const { name, folder, end } = message
  let entry = mirrors.get(name)
  if (entry === undefined) mirrors.set(name, (entry = { mirror: new Mirror(folder), drawing: Promise.resolve() }))
  const { mirror } = entry
  const drawn = entry.drawing.then(async () => {
    await mirror.draw(end)
    return message.t === 'screen' ? mirror.screen() : undefined
  })
  entry.drawing = drawn.catch(() => {})
  if (message.t !== 'screen') return
  const { n } = message
  drawn.then(
    (screen) => parentPort?.postMessage({ n, ...screen } satisfies FromMirrors),
    (error: Error) => parentPort?.postMessage({ n, error: error.message } satisfies FromMirrors)
  )
})
