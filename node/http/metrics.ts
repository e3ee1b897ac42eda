/**
 * `/metrics` in the Prometheus text format: sessions and PCs of the mesh as this peer sees them, and this process. The
 * library is loaded, and the process watched, from the first scrape on: a peer that nobody scrapes pays nothing.
 */
import { FINAL_STATES } from '../../protocols/session/index.ts'
import type { Registry } from 'prom-client'
import type { PeerApi } from './api.ts'
import type { App, Context } from './context.ts'
import type { SessionView } from './views.ts'

/** Series of one scrape: a label value each. */
const NODES_MAX = 1000
/** The default samples a hundred times a second. */
const EVENT_LOOP_SAMPLE_MS = 100

export function metricsRoute(app: App, { api }: Context): void {
  let registry: Promise<Registry> | undefined
  app.get(
    '/metrics',
    { config: { access: 'viewer' }, schema: { summary: 'Prometheus metrics', tags: ['peer'] } },
    async (_, reply) => {
      const metrics = await (registry ??= createRegistry(api))
      return reply.type(metrics.contentType).send(await metrics.metrics())
    }
  )
}

/** Sessions whose program runs now. */
export function runningSessions(api: PeerApi): SessionView[] {
  return api.sessions().filter((session) => session.state === 'running')
}

async function createRegistry(api: PeerApi): Promise<Registry> {
  const { default: prom } = await import('prom-client')
  const registry = new prom.Registry()
  prom.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS })
  const gauge = (
    name: string,
    help: string,
    labelNames: string[],
    collect: (gauge: InstanceType<typeof prom.Gauge>) => void
  ) =>
    new prom.Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        collect(this)
      }
    })
  gauge('omega_active_sessions_total', 'Sessions running in the mesh now', [], (g) =>
    g.set(runningSessions(api).length)
  )
  gauge('omega_sessions', 'Sessions that have not ended, by state', ['state'], (g) => {
    for (const { state } of api.sessions()) if (!FINAL_STATES.has(state)) g.inc({ state })
  })
  gauge('omega_nodes', 'PCs of the mesh, by state', ['state'], (g) => {
    for (const { state } of api.nodes()) g.inc({ state })
  })
  gauge('omega_counts_total', 'What was refused, dropped or broke here since the start', ['what'], (g) => {
    for (const [what, count] of Object.entries(api.counts())) g.set({ what }, count)
  })
  gauge('omega_node_cpu_usage', 'Processor use of a PC, 0 to 100; absent without a reading', ['node'], (g) => {
    for (const node of api.nodes().slice(0, NODES_MAX))
      if ('value' in node.cpu) g.set({ node: node.name }, node.cpu.value * 100)
  })
  gauge('omega_node_memory_usage', 'Memory use of a PC, 0 to 100; absent without a reading', ['node'], (g) => {
    for (const node of api.nodes().slice(0, NODES_MAX))
      if ('value' in node.memoryUsedBytes && 'value' in node.memoryBytes && node.memoryBytes.value > 0)
        g.set({ node: node.name }, (100 * node.memoryUsedBytes.value) / node.memoryBytes.value)
  })
  return registry
}
