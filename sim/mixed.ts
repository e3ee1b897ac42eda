/**
 * Peers of two versions in one mesh (PROTOCOLS.md 2.9). The next minor is this program with what a minor may bring: a field
 * that is not known in each message and each record, signed ones included, a reason that is not known, a feature that is not
 * known. It is loaded beside this one as a program of its own; the sources of a real release would be loaded the same way.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Peer } from '../protocols/peer/index.ts'
import type { Patch } from './worker.ts'

const root = join(import.meta.dirname, '..')

/** In each map that the next minor sends or stores. */
export const NEW_FIELD = 'zz'
export const NEW_VALUE = 'since the next minor'
/** A reason for a suspicion, where the shape says that others may come. */
export const NEW_REASON = 'moved'
export const NEW_FEATURE = 'next.minor'

const field = `${NEW_FIELD}: '${NEW_VALUE}'`
/** Maps whose keys are data: names of variables, of labels, of what a channel is for. */
const DATA = ['env', 'labels', 'm', 'arg', 'value', 'missing']

export const NEXT_MINOR: readonly Patch[] = [
  {
    file: 'protocols/peer/effects.ts',
    find: '  send(to: PeerId, plane: Plane, message: Message): boolean {\n',
    replace: `  send(to: PeerId, plane: Plane, before: Message): boolean {
    const grown = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(grown)
      if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value
      const fields = Object.entries(value).map(([key, inner]) => [key, ${JSON.stringify(DATA)}.includes(key) ? inner : grown(inner)])
      return { ...Object.fromEntries(fields), ${field} }
    }
    const message = grown(before) as Message
`
  },
  {
    file: 'protocols/membership/record.ts',
    find: 'const body = encodeCbor(record)',
    replace: `const body = encodeCbor({ ...record, ${field} })`
  },
  {
    file: 'protocols/gossip/entry.ts',
    find: 'w: entry.wall, b: entry.body })',
    replace: `w: entry.wall, b: entry.body, ${field} })`
  },
  {
    file: 'protocols/gossip/ad.ts',
    find: "encodeCbor(renamed(checked(AdStatic, ad, 'static advertisement'), STATIC_KEYS))",
    replace: `encodeCbor({ ...renamed(checked(AdStatic, ad, 'static advertisement'), STATIC_KEYS), ${field} })`
  },
  {
    file: 'protocols/gossip/ad.ts',
    find: 'encodeCbor(renamed(own, DYNAMIC_KEYS))',
    replace: `encodeCbor({ ...renamed(own, DYNAMIC_KEYS), ${field} })`
  },
  {
    file: 'protocols/membership/wire.ts',
    find: "['timeout', 'refused', 'reset', 'other']",
    replace: `['timeout', 'refused', 'reset', '${NEW_REASON}', 'other']`
  },
  {
    file: 'protocols/membership/verdict.ts',
    find: 'suspect(t, row, [t.s.self], why, undefined, missedAt)',
    replace: `suspect(t, row, [t.s.self], why === 'timeout' ? '${NEW_REASON}' : why, undefined, missedAt)`
  },
  { file: 'protocols/peer/links.ts', find: 'features: [],', replace: `features: ['${NEW_FEATURE}'],` },
  {
    file: 'protocols/peer/sessions.ts',
    find: '      id,\n      spec,\n',
    replace: `      ...{ ${field} },\n      id,\n      spec: { ...spec, ...{ ${field} } },\n`
  },
  {
    file: 'protocols/register/kernel.ts',
    find: '{ ver: 1, attempt, cfg, own })',
    replace: `{ ver: 1, attempt, cfg: { ...cfg, ...{ ${field} } }, own: { ...own, ...{ ${field} } }, ...{ ${field} } })`
  }
]

/** The peer program of the next minor. */
export async function nextMinor(): Promise<typeof Peer> {
  return await loadProgram(root, NEXT_MINOR)
}

/** The peer program from the sources of a release, here with changes. Throws where a change does not fit. */
export async function loadProgram(sources: string, patches: readonly Patch[]): Promise<typeof Peer> {
  const dir = mkdtempSync(join(tmpdir(), 'omega-release-'))
  try {
    cpSync(join(sources, 'protocols'), join(dir, 'protocols'), { recursive: true })
    cpSync(join(sources, 'package.json'), join(dir, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
    for (const { file, find, replace } of patches) {
      const text = readFileSync(join(dir, file), 'utf8')
      if (text.split(find).length !== 2)
        throw new Error(`${file} cannot be made the next minor: "${find}" does not occur exactly once`)
      writeFileSync(
        join(dir, file),
        text.replace(find, () => replace)
      )
    }
    const url = pathToFileURL(join(dir, 'protocols', 'peer', 'index.ts')).href
    return ((await import(/* @vite-ignore */ url)) as { Peer: typeof Peer }).Peer
  } finally {
    rmSync(dir, { recursive: true })
  }
}
