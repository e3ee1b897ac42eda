/**
 * Where a simulated mesh is served: how fast its time passes, and what happens to its PCs. A real peer has none of these
 * routes.
 */
import { z } from 'zod'
import type { App, Context } from './context.ts'
import { SimulationBody } from './schemas.ts'
import type { SimulationView } from './views.ts'

/** 0 is pause. */
export const SPEEDS = [0, 1, 2, 5, 10, 20, 50, 100] as const
/** `kill`: power cut. `restart`: switched on again. `cut`: its network cable is pulled. `heal`: it is plugged in again. */
export const DEEDS = ['kill', 'restart', 'cut', 'heal'] as const
export type SimulationDeed = (typeof DEEDS)[number]

/** What these routes ask of the simulator. */
export interface Simulation {
  view(): SimulationView
  setSpeed(speed: number): void
  /** By peer id or name. All or none: throws UNKNOWN_NODE, or BAD_REQUEST for what would leave no PC to look from. */
  apply(deed: SimulationDeed, peers: readonly string[]): void
}

const PEERS_MAX = 1000
const Speed = z.object({
  speed: z.number().refine((speed) => (SPEEDS as readonly number[]).includes(speed), `one of ${SPEEDS.join(', ')}`)
})
const Peer = z.string().min(1).max(128)
const tags = ['simulation']
const answers = { response: { 200: SimulationBody } }

export function simulationRoutes(app: App, { simulation }: Context): void {
  if (simulation === undefined) return
  app.get(
    '/api/v1/simulation',
    {
      config: { access: 'viewer' },
      schema: { summary: 'The simulated time, and which PCs are off or cut', tags, ...answers }
    },
    () => simulation.view()
  )
  app.post(
    '/api/v1/simulation/speed',
    {
      config: { access: 'admin' },
      schema: { summary: 'How fast the simulated time passes; 0 pauses it', tags, body: Speed, ...answers }
    },
    (request) => {
      simulation.setSpeed(request.body.speed)
      return simulation.view()
    }
  )
  app.post(
    '/api/v1/simulation/peers/:id/:deed',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Kill, restart, cut off or heal one PC',
        tags,
        params: z.object({ id: Peer, deed: z.enum(DEEDS) }),
        ...answers
      }
    },
    (request) => {
      simulation.apply(request.params.deed, [request.params.id])
      return simulation.view()
    }
  )
  app.post(
    '/api/v1/simulation/peers',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'The same for several PCs at the same moment; for all of them or for none',
        tags,
        body: z.object({ deed: z.enum(DEEDS), peers: z.array(Peer).min(1).max(PEERS_MAX) }),
        ...answers
      }
    },
    (request) => {
      simulation.apply(request.body.deed, request.body.peers)
      return simulation.view()
    }
  )
}
