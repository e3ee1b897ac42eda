/** Small simulated worlds without peers, for tests of the simulated parts themselves. */
import { SimProcess, Timeline } from '../../sim/clock.ts'
import { KeyRing } from '../../sim/crypto.ts'
import { Fabric } from '../../sim/fabric.ts'
import { SimNetwork } from '../../sim/network.ts'
import { Trace } from '../../sim/trace.ts'
import type { DownReason, NetworkHandler, PeerId, Plane } from '../../protocols/ports.ts'

export interface Wired {
  timeline: Timeline
  fabric: Fabric
  programs: Program[]
}

/** PCs with a program each that lets everyone in and remembers what it was told. */
export function wired(count: number, seed = 1): Wired {
  const timeline = new Timeline()
  const fabric = new Fabric({ timeline, trace: new Trace(), seed })
  const ring = new KeyRing(seed)
  const programs = Array.from({ length: count }, (_, i) => new Program(fabric, ring.key(`pc ${i}`).peerId))
  return { timeline, fabric, programs }
}

export class Program implements NetworkHandler {
  readonly process: SimProcess
  readonly network: SimNetwork
  readonly id: PeerId
  readonly told: string[] = []
  readonly heard: string[] = []

  constructor(fabric: Fabric, id: PeerId) {
    this.id = id
    this.process = new SimProcess(fabric.timeline)
    this.network = new SimNetwork(fabric, fabric.stations.get(id) ?? fabric.station(id), this.process)
    this.network.attach(this)
  }
  dial(other: Program): void {
    this.network.dial(other.id, other.network.addresses())
  }
  say(other: Program, text: string, plane: Plane = 'mem'): boolean {
    return this.network.send(other.id, plane, new TextEncoder().encode(text))
  }
  /** Kills the program, on a PC that stays on. */
  kill(): void {
    this.process.kill()
    this.network.killed()
  }
  powerCut(): void {
    this.network.station.powered = false
    this.kill()
  }

  gate(): 'member' {
    return 'member'
  }
  up(): void {
    this.told.push('up')
  }
  down(_peer: PeerId, why: DownReason): void {
    this.told.push(`down ${why}`)
  }
  dialFailed(_peer: PeerId, why: DownReason): void {
    this.told.push(`dial ${why}`)
  }
  frame(_peer: PeerId, _plane: Plane, bytes: Uint8Array): void {
    this.heard.push(new TextDecoder().decode(bytes))
  }
  drain(): void {
    this.told.push('drain')
  }
  seen(): void {
    this.told.push('seen')
  }
}
