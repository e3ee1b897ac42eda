/**
 * Whether this browser trusts the mesh's certificate authority. A page that was opened past a certificate warning looks
 * like any other to itself, but what came with a faulty certificate is never kept in the browser's cache: so it is asked
 * whether this very script is there. Its name carries its hash and the peer lets it be kept for good. Wrong in one
 * direction only: with the cache switched off nothing counts as trusted, which costs one click.
 */
export async function certificateTrusted(): Promise<boolean> {
  if (location.protocol !== 'https:') return false
  try {
    const kept = await fetch(import.meta.url, { cache: 'only-if-cached', mode: 'same-origin' })
    return kept.ok
  } catch {
    return false
  }
}
