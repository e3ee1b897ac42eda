/** Real Chromium for the tests in tests/browser. */
export { seriousFindings } from './axe.ts'
export { Browser, browserMissing, launchBrowser, proceedPastWarning } from './browser.ts'
export type { BrowserOptions } from './browser.ts'
