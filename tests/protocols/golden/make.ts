/**
 * `node tests/protocols/golden/make.ts [--unreleased]`: writes the vectors of the version in package.json beside those of the
 * releases before. Vectors of a release never change; `--unreleased` replaces those of a version that nobody runs yet.
 */
import { writeFileSync } from 'node:fs'
import { hexOf, SAMPLES } from './samples.ts'
import { readVectors, vectorsFile, VERSION } from './vectors.ts'

const replaces = process.argv.includes('--unreleased')
const changed: string[] = []
for (const [plane, samples] of Object.entries(SAMPLES)) {
  const releases = readVectors(plane)
  const vectors = Object.fromEntries(Object.entries(samples).map(([name, { bytes }]) => [name, hexOf(bytes)]))
  const before = releases[VERSION]
  if (before !== undefined && JSON.stringify(before) === JSON.stringify(vectors)) continue
  if (before !== undefined && !replaces) {
    changed.push(plane)
    continue
  }
  releases[VERSION] = vectors
  writeFileSync(vectorsFile(plane), `${JSON.stringify(releases, null, 2)}\n`)
  console.log(`${plane}: ${Object.keys(vectors).length} vectors of ${VERSION}`)
}
if (changed.length > 0) {
  console.error(
    `golden: the wire of ${changed.join(', ')} differs from that of ${VERSION}. If that version was released, raise the version in package.json first; if nobody runs it yet, say --unreleased.`
  )
  process.exitCode = 1
}
