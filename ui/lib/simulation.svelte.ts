/**
 * A simulated mesh under the hands of a person: its time, and what happens to its PCs. What is done goes by the truth of the
 * simulator; what is seen of it comes later, by gossip, as on real PCs.
 */
import type { SimulationView } from '../../node/http/views.ts'
import { call, messageOf } from './client.ts'
import { isTyping } from './keys.ts'
import { live } from './live.svelte.ts'

export const SPEEDS = [1, 2, 5, 10, 20, 50, 100] as const
/** What a click on a PC does. */
export const TOOLS = [
  { name: 'open', label: 'opens it' },
  { name: 'power', label: 'kills or restarts it' },
  { name: 'cable', label: 'cuts it off or heals it' }
] as const
export type Tool = (typeof TOOLS)[number]['name']
type SimulationDeed = 'kill' | 'restart' | 'cut' | 'heal'

class Simulation {
  tool = $state<Tool>('open')
  /** Why the last thing did not happen. */
  failure = $state('')
  /** Where a pause goes on from. */
  #speedBefore = 1
  readonly #view = $derived(live.mesh?.status.simulation ?? null)
  // As text, so that an unchanged list wakes nobody.
  readonly #offText = $derived(this.#view?.off.join(' ') ?? '')
  readonly #cutText = $derived(this.#view?.cut.join(' ') ?? '')
  readonly #off = $derived<ReadonlySet<string>>(new Set(this.#offText.split(' ')))
  readonly #cut = $derived<ReadonlySet<string>>(new Set(this.#cutText.split(' ')))

  get view(): SimulationView | null {
    return this.#view
  }
  isOff(peerId: string): boolean {
    return this.#off.has(peerId)
  }
  isCut(peerId: string): boolean {
    return this.#cut.has(peerId)
  }

  setSpeed(speed: number): Promise<boolean> {
    return this.#ask('/simulation/speed', { speed })
  }
  togglePause(): Promise<boolean> {
    const speed = this.view?.speed ?? 0
    if (speed > 0) this.#speedBefore = speed
    return this.setSpeed(speed > 0 ? 0 : this.#speedBefore)
  }
  /** One step up or down the list of speeds. */
  shift(step: 1 | -1): Promise<boolean> {
    const at = SPEEDS.findIndex((speed) => speed === this.view?.speed)
    return this.setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + step))] ?? 1)
  }
  apply(deed: SimulationDeed, peers: readonly string[]): Promise<boolean> {
    return this.#ask('/simulation/peers', { deed, peers })
  }
  togglePower(peerId: string): Promise<boolean> {
    return this.apply(this.isOff(peerId) ? 'restart' : 'kill', [peerId])
  }
  toggleCable(peerId: string): Promise<boolean> {
    return this.apply(this.isCut(peerId) ? 'heal' : 'cut', [peerId])
  }

  /** While the tool is another than to open, a click on any link to a PC does that instead. */
  listen(): () => void {
    const onClick = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest<HTMLElement>('a[data-peer]') : null
      if (!link || this.tool === 'open') return
      event.preventDefault()
      event.stopPropagation()
      const { peer = '' } = link.dataset
      void (this.tool === 'power' ? this.togglePower(peer) : this.toggleCable(peer))
    }
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (document.querySelector('dialog[open]')) return
      if (event.key === 'p') void this.togglePause()
      else if (event.key === '+') void this.shift(1)
      else if (event.key === '-') void this.shift(-1)
    }
    document.addEventListener('click', onClick, true)
    document.addEventListener('keydown', onKey)
    return () => {
      document.removeEventListener('click', onClick, true)
      document.removeEventListener('keydown', onKey)
    }
  }

  /** Clicks come faster than answers: each is sent, and the newest answer counts. */
  async #ask(path: string, body: object): Promise<boolean> {
    try {
      live.putSimulation(await call<SimulationView>('POST', path, body))
      this.failure = ''
      return true
    } catch (error) {
      this.failure = messageOf(error)
      return false
    }
  }
}

export const simulation = new Simulation()
