/** What every answer tells the browser: own scripts and styles only, no frames, no guessing of types, no referrer. */

const BASE = [
  "default-src 'self'",
  "script-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'"
]
export const PAGE_CSP = [
  ...BASE,
  "style-src 'self'",
  // A page whose peer has died looks which member answers before it goes there. Who the members are is no business of a
  // stranger who asks for the page, so they are not listed here.
  "connect-src 'self' https:",
  // Text becomes markup nowhere but in Svelte's own templates.
  "require-trusted-types-for 'script'",
  'trusted-types svelte-trusted-html'
].join('; ')
/** Swagger UI draws with inline styles; its scripts are files like ours. */
export const DOCS_CSP = [...BASE, "style-src 'self' 'unsafe-inline'"].join('; ')

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': PAGE_CSP,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  // Answers are about now and about one person. The page's hashed files say otherwise for themselves.
  'cache-control': 'no-store'
}
