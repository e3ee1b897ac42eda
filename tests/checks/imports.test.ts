import { expect, test } from 'vitest'
import { checkImports } from './imports.ts'
import { findIn } from './planted.ts'

const wrong = (file: string, text: string, more: Record<string, string> = {}) =>
  findIn(checkImports, { [file]: text, ...more })

test.each([
  ['protocols/gossip/kernel.ts', "import { x } from '../../node/peer.ts'"],
  ['protocols/gossip/kernel.ts', "import type { X } from '../../sim/clock.ts'"],
  ['protocols/gossip/kernel.ts', "export { x } from '../../node/peer.ts'"],
  ['protocols/gossip/kernel.ts', "import { readFileSync } from 'node:fs'"],
  ['protocols/gossip/kernel.ts', "import { createLibp2p } from 'libp2p'"],
  ['node/peer.ts', "import { Clock } from '../sim/clock.ts'"],
  ['node/peer.ts', "const clock = await import('../sim/clock.ts')"],
  ['sim/world.ts', "import { level } from '../node/adapters/level.ts'"],
  ['sim/mesh.ts', "import { nodeView } from '../node/views.ts'"],
  ['sim/serve/door.ts', "import { level } from '../../node/adapters/level.ts'"],
  ['node/http/app.ts', "import { serve } from '../../sim/serve/main.ts'"],
  ['ui/lib/live.ts', "import { routes } from '../../node/http/routes.ts'"],
  ['ui/lib/live.ts', "import type { Peer } from '../../node/peer.ts'"],
  ['ui/lib/live.ts', "import type { Record } from '../../protocols/session/index.ts'"],
  ['ui/lib/live.ts', "import { readFileSync } from 'node:fs'"]
])('an arrow that points up is found: %s %s', (file, text) => {
  expect(wrong(file, `\n${text}\n`)).toEqual([expect.stringMatching(new RegExp(`^${file}:2 `))])
})

test('a way around the index.ts of a protocol is found, from another protocol and from the shell', () => {
  const text = "import { step } from '../gossip/kernel.ts'"
  expect(wrong('protocols/placement/choose.ts', text)).toEqual([
    expect.stringContaining('import protocols/gossip/index.ts')
  ])
  expect(wrong('node/peer.ts', "import { step } from '../protocols/gossip/kernel.ts'")).toHaveLength(1)
  expect(wrong('protocols/placement/choose.ts', text.replace('kernel', 'index'))).toEqual([])
})

test('a folder of the shell is private once it has an index.ts', () => {
  const text = "import { hash } from './security/passwords.ts'"
  expect(wrong('node/peer.ts', text)).toEqual([])
  expect(wrong('node/peer.ts', text, { 'node/security/index.ts': 'export {}' })).toHaveLength(1)
  expect(
    wrong('node/security/accounts.ts', "import { hash } from './passwords.ts'", { 'node/security/index.ts': '' })
  ).toEqual([])
})

test('imports inside a component are seen, at their line', () => {
  const component = (line: string) => `<p>hello</p>\n<script lang="ts">\n  ${line}\n</script>\n`
  const found = wrong('ui/parts/Row.svelte', component("import { views } from '../../node/http/views.ts'"))
  expect(found).toEqual([expect.stringMatching(/^ui\/parts\/Row\.svelte:3 .*import type/)])
  expect(wrong('ui/parts/Row.svelte', component("import type { NodeView } from '../../node/http/views.ts'"))).toEqual(
    []
  )
})

test('arrows that point down are let through', () => {
  const files = {
    'protocols/gossip/kernel.ts':
      "import { z } from 'zod'\nimport { MeshError } from '../errors.ts'\nimport './wire.ts'",
    'node/peer.ts':
      "import { level } from 'level'\nimport { step } from '../protocols/gossip/index.ts'\nimport '../protocols/ports.ts'",
    'node/cli/status.ts': "import '../http/views.ts'",
    'sim/serve/door.ts':
      "import { buildApp } from '../../node/http/app.ts'\nimport '../../node/views.ts'\nimport '../mesh.ts'",
    'ui/vite.config.ts': "import { join } from 'node:path'"
  }
  expect(findIn(checkImports, files)).toEqual([])
})
