/** Nothing needs the rights of root: peers of plain users, each on a PC of its own, join, run each other's work, and end. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { SessionView } from '../../node/http/views.ts'
import { startMesh } from './harness/index.ts'

const [ADA, BOB] = [23_456, 34_567]

test.skipIf(process.getuid?.() !== 0)(
  'peers of two plain users run each other’s work and end whole',
  { timeout: 400_000 },
  async () => {
    await using mesh = await startMesh({
      peers: [
        { name: 'atlas', uid: ADA },
        { name: 'den', uid: BOB }
      ]
    })
    const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
    await atlas.exec(['sh', '-c', 'echo mine > data.txt; mkdir sub; echo deep > sub/deep.txt']).end(20_000)
    // Lowered once it is started: what it does first may still have the usual priority.
    const script =
      'id -u; until [ "$(nice)" = 10 ]; do sleep 0.05; done; nice; cat data.txt sub/deep.txt; echo theirs >> data.txt; mkdir made; echo new > made/new.txt; exit 5'
    const ran = await atlas.omega(['run', '--on', 'den', '--', 'sh', '-c', script])
    expect(ran).toMatchObject({ code: 5, stdout: `${BOB}\n10\nmine\ndeep\n`, stderr: '' })
    expect(readFileSync(join(atlas.workDir, 'data.txt'), 'utf8')).toBe('mine\ntheirs\n')
    expect(statSync(join(atlas.workDir, 'made/new.txt'))).toMatchObject({ uid: ADA, gid: ADA })

    // A peer that dies and comes back takes its session up again, and what it froze goes on.
    const { id } = await atlas.json<SessionView>([
      'submit',
      '--no-files',
      '--on',
      'den',
      '--',
      'sh',
      '-c',
      'while :; do date +%s%N; sleep 0.2; done'
    ])
    const logs = den.spawn(['logs', '-f', id])
    await logs.prints('\n')
    const [program] = den.processes().filter(({ command }) => command.startsWith('sh -c while'))
    await den.killPeerProcess()
    const frozen = () => /^State:\s*[TD]/m.test(readFileSync(`/proc/${program!.pid}/status`, 'utf8'))
    await mesh.until(frozen, { what: 'frozen program of a peer that stays away' })
    await den.up()
    await mesh.allSeeAll()
    await mesh.until(() => !frozen(), { what: 'program that goes on' })
    await atlas.json(['stop', id])
    await mesh.inState(atlas, id, 'stopped')

    for (const peer of [atlas, den]) {
      const owners = peer.processes().map(({ pid }) => statSync(`/proc/${pid}`).uid)
      expect(new Set(owners)).toEqual(new Set([peer.uid]))
      await peer.omega(['down'])
      expect(await peer.exited()).toBe(0)
      await mesh.until(() => peer.processes().length === 0, { what: `end of all that ran on ${peer.name}` })
      expect(existsSync(join(peer.dataDir, 'omega.sock'))).toBe(false)
    }
  }
)
