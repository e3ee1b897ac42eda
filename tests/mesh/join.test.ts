/**
 * PCs become one mesh: by an invite, by an open door with the same six words on every screen, and again by themselves after
 * restarts and changes of address. What `omega leave` undoes.
 */
import { expect, test } from 'vitest'
import type { StatusView } from '../../node/http/views.ts'
import { namespacesMissing, startMesh } from './harness/index.ts'
import type { Mesh, Peer } from './harness/index.ts'

const LONG = { timeout: 400_000 }

test(
  'one PC joins by an invite, one through an open door after both sides showed the same six words',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'], join: 'none' })
    const [atlas, den, lark] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('lark')]

    // Nobody is there: it looks for a door, then makes a mesh of its own.
    await atlas.up()
    expect((await atlas.status()).mesh?.name).toBe("atlas's mesh")

    const { invite } = await atlas.json<{ invite: string }>(['invite'])
    const denJoined = await timed(() => den.up(['--join', invite]))
    await mesh.allSeeAll([atlas, den])

    // Door first: a PC that starts meanwhile finds it by itself.
    await atlas.json(['invite', '--open', '10m'])
    const larkOffered = await timed(async () => {
      await lark.up([], { phase: 'any' })
      await offered(mesh, lark)
    })
    const [offer] = (await lark.json<StatusView>(['status'])).offers
    expect(offer).toMatchObject({ meshName: "atlas's mesh", memberName: 'atlas' })
    expect(offer!.words.split(' ')).toHaveLength(6)
    expect(lark.output()).toContain(offer!.words)
    for (const member of [atlas, den]) {
      const knock = async () => (await member.status()).doors.flatMap((door) => door.knocks).at(0)
      const shown = await mesh.until(knock, { what: `knock of lark on the status of ${member.name}` })
      expect(shown).toMatchObject({ name: 'lark', state: 'waiting', words: offer!.words })
      expect((await member.omega(['status'])).stdout).toContain(offer!.words)
    }
    expect((await atlas.nodes()).map((node) => node.name)).not.toContain('lark')

    const larkJoined = await timed(async () => {
      const joined = await lark.json<StatusView>(['join', '--accept-open-door'])
      expect(joined.mesh?.id).toBe((await atlas.status()).mesh?.id)
      await mesh.allSeeAll()
    })
    for (const peer of mesh.peers) {
      const nodes = await peer.json<{ name: string; state: string }[]>(['nodes'])
      expect(nodes.map(({ name, state }) => `${name} ${state}`).sort()).toEqual([
        'atlas alive',
        'den alive',
        'lark alive'
      ])
    }
    console.log(
      `time to joined: by invite ${denJoined} s from start to active; by open door ${larkOffered} s from start to the offer (mDNS), ${larkJoined} s from consent until all see all`
    )

    // Leaving undoes it, also for a PC that was started with an invite: it is free, and finds the door like any newcomer.
    const left = await den.json<StatusView>(['leave'])
    expect(left).toMatchObject({ mesh: null, phase: 'looking' })
    await seesAs(mesh, atlas, den, 'left')
    await seesAs(mesh, lark, den, 'left')
    if (mesh.lan.kind === 'namespaces') {
      await offered(mesh, den)
      await den.json(['join', '--accept-open-door'])
    } else {
      // The door takes one knock a minute from an address, and here all share one.
      await den.json(['join', (await atlas.json<{ invite: string }>(['invite'])).invite])
    }
    await mesh.allSeeAll()
    await atlas.json(['invite', '--close'])
    expect((await atlas.status()).doors).toEqual([])
  }
)

test('members find each other again after a restart of all', LONG, async () => {
  await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
  const ids = (await mesh.peer('atlas').nodes()).map((node) => node.peerId).sort()
  await restartAll(mesh, () => {})
  for (const peer of mesh.peers) expect((await peer.nodes()).map((node) => node.peerId).sort()).toEqual(ids)
})

test.skipIf(namespacesMissing() !== undefined)(
  'members find each other after changes of address by mDNS, and without multicast by remembered addresses',
  LONG,
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
    const den = mesh.peer('den')

    // One moves while all run.
    await moveTo(den, 101)
    await mesh.until(
      async (note) => {
        const views = await Promise.all(mesh.peers.map((peer) => peer.nodes()))
        const told = views.map((nodes) => nodes.find((node) => node.name === 'den'))
        note(told.map((node) => `${node?.state} ${node?.addresses.join(' ')}`))
        return told.every(
          (node) => node?.state === 'alive' && node.addresses.some((address) => address.includes('.101/'))
        )
      },
      { what: 'den alive at its new address', withinMs: 180_000 }
    )

    // Nobody can be found by mDNS: what each remembers is enough, the new address included.
    mesh.lan.multicast(false)
    await restartAll(mesh, () => {})

    // Every remembered address is wrong: only mDNS can find anyone.
    mesh.lan.multicast(true)
    await restartAll(mesh, async () => {
      for (const [i, peer] of mesh.peers.entries()) await moveTo(peer, 111 + i)
    })
  }
)

/** A PC that found no door within some seconds (a busy machine) has made a mesh of its own: it leaves it, and looks again. */
async function offered(mesh: Mesh, peer: Peer): Promise<void> {
  const inSight = async (note: (seen: unknown) => void) => {
    const { phase, offers } = await peer.status()
    note({ phase, offers })
    if (phase === 'active') await peer.json(['leave'])
    return offers.length > 0
  }
  await mesh.until(inSight, { what: `open door in sight of ${peer.name}`, withinMs: 150_000 })
}

async function restartAll(mesh: Mesh, between: () => void | Promise<void>): Promise<void> {
  await Promise.all(mesh.peers.map((peer) => peer.killPeerProcess('SIGTERM')))
  await between()
  await Promise.all(mesh.peers.map((peer) => peer.up()))
  await mesh.allSeeAll(mesh.peers, 180_000)
}

async function seesAs(mesh: Mesh, from: Peer, other: Peer, state: string): Promise<void> {
  const found = async () => {
    const nodes = await from.nodes()
    return nodes.some((node) => node.name === other.name && node.state === state)
  }
  await mesh.until(found, { what: `${other.name} ${state} on ${from.name}` })
}

/** As another lease of the router would: the old address goes, the new one comes. */
async function moveTo(peer: Peer, host: number): Promise<void> {
  const net = peer.address.split('.').slice(0, 3).join('.')
  const script = `ip addr flush dev eth0 scope global; ip addr add ${net}.${host}/24 dev eth0; ip route replace default via ${net}.253`
  const { code, stderr } = await peer.exec(['sh', '-c', script]).end(20_000)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
}

async function timed(step: () => Promise<void>): Promise<string> {
  const startedAt = performance.now()
  await step()
  return ((performance.now() - startedAt) / 1000).toFixed(1)
}
