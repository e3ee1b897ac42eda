/**
 * Every fault that a plan may hold (PROTOCOLS.md 2.8.3): how each class is drawn, what it is called, and what it does to
 * the PCs. A fault mends itself when its time is over; one that finds nothing to break does nothing.
 */
import { toHex } from '../protocols/codec.ts'
import type { PeerId, Random } from '../protocols/ports.ts'
import { FINAL_STATES } from '../protocols/session/index.ts'
import type { LinkShape } from './fabric.ts'
import type { SimMesh } from './mesh.ts'
import type { SimPc } from './pc.ts'
import type { Dice, PlanOptions } from './plan.ts'
import { Liar } from './liar.ts'
import { crowd } from './strangers.ts'
import { createRandom } from './random.ts'
import { CHURN_SITES } from './churn-sites.ts'
import { END_SITES } from './end-sites.ts'
import { EDGE_SITES, LEASE_SITES } from './lease-sites.ts'
import { RESULT_SITES } from './result-sites.ts'
import { HAND_SITES, POWER_SITES, SITES, siteOf } from './sites.ts'
import type { SiteName } from './sites.ts'

/** Whether a program that stands still goes on is looked at this often. */
const AWAKE_LOOK_MS = 10
/** More registers than one member may ask for. */
const INVENTED_MAX = 4500
const INVENTED_AT_ONCE = 100
const INVENTED_EACH_MS = 50

export type Fault = { atMs: number } & (
  | { k: 'cut'; left: number[]; right: number[]; forMs: number }
  /** `to` hears nothing of `from`. */
  | { k: 'deaf'; from: number; to: number; forMs: number }
  | { k: 'reset'; a: number; b: number }
  | { k: 'lossy'; from: number; to: number; forMs: number; shape: LinkShape }
  | { k: 'kill'; pc: number; forMs: number }
  | { k: 'powerCut'; pc: number; forMs: number; readdress: boolean }
  | { k: 'blackout'; forMs: number }
  | { k: 'pause'; pc: number; forMs: number }
  | { k: 'suspend'; pc: number; forMs: number }
  /** All PCs sleep. */
  | { k: 'night'; sleepMs: number }
  | { k: 'slow'; pc: number; forMs: number; eventMs: number }
  /** A wrong date: beyond ten minutes certificates are refused, and the PC is as if cut off. */
  | { k: 'wall'; pc: number; forMs: number; byMs: number }
  | { k: 'fsync'; pc: number; forMs: number; maxMs: number }
  | { k: 'full' | 'readOnly' | 'unreadable'; pc: number; forMs: number }
  | { k: 'rot'; pc: number }
  /** The next value that it writes lands under another key. */
  | { k: 'astray'; pc: number }
  | { k: 'newDisk'; pc: number; forMs: number }
  /** Nobody sees it again, nor what is on its disk. */
  | { k: 'stolen'; pc: number }
  /** Other PCs vote on the strict sessions that it looks after; then those of the rule do again. */
  | { k: 'rekeep'; pc: number; voters: number[] }
  /** `omega down`, and up again later. */
  | { k: 'down'; pc: number; forMs: number }
  /** The owner of the PC takes it for so long. */
  | { k: 'owner'; pc: number; forMs: number }
  /** So much of what it says is a lie. */
  | { k: 'lie'; pc: number; forMs: number; ratio: number }
  /** It asks the others to vote on so many registers that there are not. */
  | { k: 'invent'; pc: number; count: number }
  /** So many that are no members dial it, again and again. */
  | { k: 'strangers'; pc: number; count: number; forMs: number }
  /** Waits for a moment that the protocols come to, and strikes there. */
  | { k: 'site'; site: SiteName; afterMs: number; forMs: number }
)
export type FaultKind = Fault['k']

const CHURNING_SITES: readonly SiteName[] = [
  ...(Object.keys(CHURN_SITES) as SiteName[]),
  'proposer dies while keepers change',
  'proposer is cut off while keepers change',
  'accept is lost',
  'refuse is lost'
]

type Draw = (draw: Dice, atMs: number, options: PlanOptions) => Fault[]

const one =
  (
    k: 'kill' | 'pause' | 'suspend' | 'full' | 'readOnly' | 'unreadable' | 'newDisk' | 'down' | 'owner',
    low: number,
    high: number
  ): Draw =>
  (draw, atMs, { peers }) => [{ k, atMs, pc: draw.below(peers), forMs: draw.log(low, high) }]

/** Swarm: a seed draws which of these classes it may see. */
export const DRAWN_FAULTS = {
  kill: one('kill', 50, 30_000),
  powerCut: (draw, atMs, { peers }) => [
    { k: 'powerCut', atMs, pc: draw.below(peers), forMs: draw.log(200, 40_000), readdress: draw.chance(0.3) }
  ],
  restartStorm: (draw, atMs, { peers }) => {
    const pc = draw.below(peers)
    const faults: Fault[] = []
    for (let i = 2 + draw.below(5), at = atMs; i > 0; i--) {
      faults.push({ k: 'kill', atMs: Math.round(at), pc, forMs: draw.log(50, 2000) })
      at += draw.log(100, 4000)
    }
    return faults
  },
  blackout: (draw, atMs) => [{ k: 'blackout', atMs, forMs: draw.log(500, 20_000) }],
  cut: (draw, atMs, { peers }) => {
    const left = range(peers).filter(() => draw.chance(0.5))
    return [
      { k: 'cut', atMs, left, right: range(peers).filter((pc) => !left.includes(pc)), forMs: draw.log(300, 40_000) }
    ]
  },
  isolate: (draw, atMs, { peers }) => {
    const pc = draw.below(peers)
    return [
      { k: 'cut', atMs, left: [pc], right: range(peers).filter((other) => other !== pc), forMs: draw.log(300, 40_000) }
    ]
  },
  deaf: (draw, atMs, { peers }) => {
    const [from, to] = two(draw, peers)
    return [{ k: 'deaf', atMs, from, to, forMs: draw.log(300, 40_000) }]
  },
  partial: (draw, atMs, { peers }) => {
    const [a, b] = two(draw, peers)
    return [{ k: 'cut', atMs, left: [a], right: [b], forMs: draw.log(300, 40_000) }]
  },
  flapping: (draw, atMs, { peers }) => {
    const pc = draw.below(peers)
    const right = range(peers).filter((other) => other !== pc)
    const everyMs = draw.log(1000, 15_000)
    return range(2 + draw.below(4)).map((i) => ({
      k: 'cut',
      atMs: Math.round(atMs + i * everyMs),
      left: [pc],
      right,
      forMs: everyMs / 2
    }))
  },
  clog: (draw, atMs, { peers }) =>
    range(1 + draw.below(peers)).map((i) => {
      const [from, to] = two(draw, peers)
      // frozen one after the other, released in another order
      return { k: 'deaf', atMs: atMs + 300 * i, from, to, forMs: draw.log(500, 15_000) }
    }),
  reset: (draw, atMs, { peers }) => {
    const [a, b] = two(draw, peers)
    return [{ k: 'reset', atMs, a, b }]
  },
  lossy: (draw, atMs, { peers }) => {
    const [from, to] = two(draw, peers)
    const shape: LinkShape = {
      latencyMs: draw.log(0.1, 100),
      jitterMs: draw.log(0.1, 50),
      bytesPerMs: draw.log(50, 125_000),
      stallRatio: draw.between(0, 0.3),
      resetRatio: draw.between(0, 0.1),
      tailRatio: draw.between(0, 0.1),
      tailMs: draw.log(10, 400)
    }
    return [{ k: 'lossy', atMs, from, to, forMs: draw.log(2000, 40_000), shape }]
  },
  pause: one('pause', 100, 30_000),
  slow: (draw, atMs, { peers }) => [
    { k: 'slow', atMs, pc: draw.below(peers), forMs: draw.log(1000, 30_000), eventMs: draw.log(0.5, 40) }
  ],
  suspend: one('suspend', 5000, 80_000),
  night: (draw, atMs) => [{ k: 'night', atMs, sleepMs: draw.log(5000, draw.chance(0.1) ? 36_000_000 : 1_200_000) }],
  wall: (draw, atMs, { peers }) => [
    {
      k: 'wall',
      atMs,
      pc: draw.below(peers),
      forMs: draw.log(500, 30_000),
      byMs: Math.round(draw.between(-36e5, 36e5))
    }
  ],
  fsync: (draw, atMs, { peers }) => [
    { k: 'fsync', atMs, pc: draw.below(peers), forMs: draw.log(1000, 30_000), maxMs: draw.log(5, 5000) }
  ],
  full: one('full', 500, 30_000),
  readOnly: one('readOnly', 500, 30_000),
  unreadable: one('unreadable', 500, 10_000),
  rot: (draw, atMs, { peers }) => [{ k: 'rot', atMs, pc: draw.below(peers) }],
  astray: (draw, atMs, { peers }) => [{ k: 'astray', atMs, pc: draw.below(peers) }],
  newDisk: one('newDisk', 500, 20_000),
  /** Never more than one PC of a plan, here and below: who accepted on two disks has lost nothing. */
  stolen: (_draw, atMs, { peers }) => [{ k: 'stolen', atMs, pc: peers - 1 }],
  amnesia: (draw, atMs, { peers }) => [{ k: 'newDisk', atMs, pc: peers - 1, forMs: draw.log(500, 20_000) }],
  rekeep: (draw, atMs, { peers }) => {
    const voters = range(peers).filter(() => draw.chance(0.6))
    return [{ k: 'rekeep', atMs, pc: draw.below(peers), voters: voters.length > 0 ? voters : [draw.below(peers)] }]
  },
  down: one('down', 1000, 30_000),
  owner: one('owner', 500, 30_000),
  /** Always the same PC: more of them together may claim anything of each other. */
  lie: (draw, atMs) => [{ k: 'lie', atMs, pc: 0, forMs: draw.log(2000, 60_000), ratio: draw.log(0.01, 1) }],
  invent: (draw, atMs) => [
    { k: 'invent', atMs, pc: 0, count: draw.chance(0.1) ? INVENTED_MAX : Math.round(draw.log(10, 500)) }
  ],
  strangers: (draw, atMs, { peers }) => [
    {
      k: 'strangers',
      atMs,
      pc: draw.below(peers),
      count: Math.round(draw.log(3, 60)),
      forMs: draw.log(500, 15_000)
    }
  ],
  site: (draw, atMs) => [site(draw, atMs, Object.keys(SITES) as SiteName[])],
  lease: (draw, atMs) => [site(draw, atMs, Object.keys(LEASE_SITES) as SiteName[])],
  edge: (draw, atMs) => [site(draw, atMs, EDGE_SITES)],
  power: (draw, atMs) => [site(draw, atMs, POWER_SITES)],
  hands: (draw, atMs) => [site(draw, atMs, HAND_SITES)],
  ends: (draw, atMs) => [site(draw, atMs, Object.keys(END_SITES) as SiteName[])],
  results: (draw, atMs) => [site(draw, atMs, Object.keys(RESULT_SITES) as SiteName[])],
  /** Whoever looks after a session gives it other voters; every other time something goes wrong meanwhile. */
  churn: (draw, atMs, { peers }) => {
    const drawn = range(peers).filter(() => draw.chance(0.5))
    const voters = drawn.length > 0 ? drawn : [draw.below(peers)]
    const faults: Fault[] = draw.chance(0.5) ? [site(draw, atMs, CHURNING_SITES)] : []
    return [...faults, ...range(peers).map((pc): Fault => ({ k: 'rekeep', atMs, pc, voters }))]
  }
} as const satisfies Record<string, Draw>
export type FaultClass = keyof typeof DRAWN_FAULTS

function site(draw: Dice, atMs: number, names: readonly SiteName[]): Fault {
  const name = draw.pick(names)
  const afterMs = draw.chance(0.3) ? 0 : draw.log(0.1, 30)
  return { k: 'site', atMs, site: name, afterMs, forMs: draw.log(300, 20_000) }
}

/** Faults that keep PCs from hearing each other in time: then two may rightly run what one of them should. */
export function disturbs(fault: Fault): boolean {
  switch (fault.k) {
    case 'cut':
    case 'deaf':
    case 'lossy':
    case 'slow':
    case 'suspend':
    case 'night':
    case 'wall':
    case 'rot':
    case 'astray':
    case 'newDisk':
    case 'full':
    case 'readOnly':
    case 'unreadable':
    case 'lie':
    case 'invent':
      return true
    case 'powerCut':
      // nobody finds it at its old address, and it takes a dial of five seconds to learn that
      return fault.readdress
    case 'site':
      return siteOf(fault).disturbs
    default:
      return false
  }
}

export const lastsMs = (fault: Fault): number =>
  'forMs' in fault ? fault.forMs : fault.k === 'night' ? fault.sleepMs : 0

/** What was under that key of its disk is lost, or is what was there before. */
function forgets(mesh: SimMesh, pc: SimPc, key: string | undefined): void {
  if (key?.startsWith('r/') === true) mesh.watch?.diskForgot(pc, key.slice('r/'.length))
}

/** Does it. What it broke is whole again after its time. */
export function strike(mesh: SimMesh, fault: Fault): void {
  const { timeline, fabric } = mesh.world
  const ids = (list: readonly number[]) => list.map((index) => mesh.pcs[index]!.id)
  const later = (fn: () => void): void => void timeline.at(lastsMs(fault), fn)
  switch (fault.k) {
    case 'cut': {
      const [left, right] = [ids(fault.left), ids(fault.right)]
      fabric.cut([left, right])
      return later(() => {
        fabric.unblock(left, right)
        fabric.unblock(right, left)
      })
    }
    case 'deaf': {
      const [from, to] = [ids([fault.from]), ids([fault.to])]
      fabric.block(from, to)
      return later(() => fabric.unblock(from, to))
    }
    case 'reset':
      return mesh.pcs[fault.a]!.station.program?.breakLink(mesh.pcs[fault.b]!.id)
    case 'lossy': {
      const [from, to] = [mesh.pcs[fault.from]!.id, mesh.pcs[fault.to]!.id]
      fabric.reshape(from, to, fault.shape)
      return later(() => fabric.reshape(from, to, undefined))
    }
    case 'blackout':
      for (const pc of mesh.pcs) pc.powerCut()
      return later(() => mesh.pcs.forEach((pc) => pc.start()))
    case 'night':
      return mesh.pcs.forEach((pc) => pc.suspend(fault.sleepMs))
    case 'site':
      return mesh.sites.arm(fault)
    default:
      return strikeOne(mesh, mesh.pcs[fault.pc]!, fault, later)
  }
}

function strikeOne(
  mesh: SimMesh,
  pc: SimPc,
  fault: Extract<Fault, { pc: number }>,
  later: (fn: () => void) => void
): void {
  const { disk, clock } = pc
  switch (fault.k) {
    case 'kill':
      pc.killPeerProcess()
      return later(() => pc.start())
    case 'powerCut':
      pc.powerCut()
      return later(() => {
        if (fault.readdress && !pc.running) mesh.world.fabric.readdress(pc.station)
        pc.start()
      })
    case 'pause':
      return pc.pause(fault.forMs)
    case 'suspend':
      return pc.suspend(fault.forMs)
    case 'slow':
      pc.slow(fault.eventMs)
      return later(() => pc.slow(0))
    case 'wall':
      clock.wallOffsetMs += fault.byMs
      return later(() => (clock.wallOffsetMs -= fault.byMs))
    case 'fsync': {
      const { syncMaxMs } = disk.times
      disk.times.syncMaxMs = fault.maxMs
      return later(() => (disk.times.syncMaxMs = syncMaxMs))
    }
    case 'full':
    case 'readOnly':
      disk[fault.k] = true
      return later(() => (disk[fault.k] = false))
    case 'unreadable':
      disk.unreadable = true
      return later(() => {
        disk.unreadable = false
        // one that was started meanwhile could not read its data, and ended
        pc.start()
      })
    case 'rot':
      return forgets(mesh, pc, disk.rot('r/', createRandom(mesh.seed, 'rot', fault.atMs)))
    case 'astray':
      return disk.misdirect(createRandom(mesh.seed, 'astray', fault.atMs), (key) => forgets(mesh, pc, key))
    case 'newDisk':
      pc.powerCut()
      disk.wipe()
      mesh.watch?.diskForgot(pc)
      return later(() => pc.start())
    case 'stolen':
      pc.stolen = true
      return pc.powerCut()
    case 'rekeep':
      return rekeep(
        pc,
        fault.voters.map((index) => mesh.pcs[index]!.id)
      )
    case 'down':
      return goDown(mesh, pc, later)
    case 'lie': {
      const { liars } = mesh.world.fabric
      const random = createRandom(mesh.seed, 'lie', fault.atMs)
      const liar = new Liar(
        random,
        fault.ratio,
        mesh.pcs.map(({ id }) => id)
      )
      liars.set(pc.station, liar)
      return later(() => liars.get(pc.station) === liar && liars.delete(pc.station))
    }
    case 'strangers':
      return crowd(mesh, pc, fault.count, fault.forMs, createRandom(mesh.seed, 'strangers', fault.atMs))
    case 'invent':
      mesh.watch?.invents(fault.count)
      return invent(mesh, pc, createRandom(mesh.seed, 'invent', fault.atMs), fault.count)
    case 'owner': {
      let wanted = true
      whenAwake(mesh, pc, () => wanted && pc.peer?.sessions.pause())
      return later(() => {
        wanted = false
        whenAwake(mesh, pc, () => pc.peer?.sessions.resume())
      })
    }
  }
}

function invent(mesh: SimMesh, pc: SimPc, random: Random, left: number): void {
  for (let i = 0; i < Math.min(left, INVENTED_AT_ONCE); i++) {
    const id = toHex(random.bytes(16))
    for (const other of mesh.pcs) if (other !== pc) pc.station.program?.hand(other.id, 'reg', { t: 'join', id })
  }
  if (left > INVENTED_AT_ONCE)
    mesh.world.timeline.at(INVENTED_EACH_MS, () => invent(mesh, pc, random, left - INVENTED_AT_ONCE))
}

/** What is asked of a program that stands still it does when it goes on. */
function whenAwake(mesh: SimMesh, pc: SimPc, act: () => void): void {
  if (pc.paused) mesh.world.timeline.at(AWAKE_LOOK_MS, () => whenAwake(mesh, pc, act))
  else act()
}

function rekeep({ peer, id: self, paused }: SimPc, voters: readonly PeerId[]): void {
  if (peer?.phase !== 'active' || paused) return
  const { records, strict } = peer.sessions
  for (const { id, owner, spec, state } of records.all.values())
    if (owner === self && spec.mode === 'strict' && !FINAL_STATES.has(state))
      strict.registers.move(id, voters, () => {})
}

/** As `omega down` does: whatever still runs ends with it. */
function goDown(mesh: SimMesh, pc: SimPc, later: (fn: () => void) => void): void {
  if (pc.peer?.phase !== 'active') return
  pc.down({ drain: true, forever: false }, () => pc.host.powerCut())
  const back = (): void => {
    if (pc.running && pc.peer?.phase === 'draining') mesh.world.timeline.at(500, back)
    else pc.start()
  }
  later(back)
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

function two(draw: Dice, peers: number): [number, number] {
  const a = draw.below(peers)
  return [a, (a + 1 + draw.below(peers - 1)) % peers]
}
