import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { launchBrowser } from '../browser/harness/index.ts'
import { startMesh } from '../mesh/harness/index.ts'
const T0 = Date.now(); const log = (...a: unknown[]) => console.log(((Date.now() - T0) / 1000).toFixed(1), ...a)
const trusted = process.argv[2] === 'trust'
await using mesh = await startMesh({ peers: ['atlas', 'den', 'lark'] })
log('mesh up')
const [atlas, den, lark] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('lark')]
await mesh.allSeeAll()
await using browser = await launchBrowser({ ...(trusted && { trust: readFileSync(join(atlas.dataDir, 'mesh-ca.pem'), 'utf8') }), enter: lark.enter, viewport: { width: 1440, height: 900 }, colorScheme: 'dark' })
const p = await browser.newPage()
const link = /#first-run=\S+/.exec(atlas.log())?.[0] ?? ''
log('link', link.slice(0, 20))
const first = `https://${atlas.address}:8443`
if (!trusted) { await p.goto(first).catch((e) => log('cert', e.message.split('\n')[0])); await p.locator('#details-button').click(); await p.locator('#proceed-link').click(); await p.waitForLoadState() }
await p.goto(`${first}/${link}`); await p.waitForSelector('#new-password'); await p.fill('#name', 'anna'); await p.fill('#new-password', 'correct horse battery'); await p.fill('#again', 'correct horse battery'); await p.click('button.primary')
await p.waitForSelector('table'); await p.waitForTimeout(4000); await p.screenshot({ path: '/tmp/ui-shots/mesh-dash.png' }); log('in', p.url(), await p.locator('h1').innerText())
await p.goto(`${first}/#/sessions/start`); await p.fill('#command', 'sh -c "for i in $(seq 60); do echo tick $i; sleep 1; done"'); await p.selectOption('#on', { label: (await p.locator('#on option').allInnerTexts()).find((t) => t.startsWith('den'))! }); await p.click('button.primary'); await p.waitForSelector('text=tick 2'); log('session runs', p.url())
await p.waitForTimeout(2000); await atlas.killAll(); const t = Date.now(); log('killed atlas')
if (trusted) await p.waitForURL((u) => !u.href.startsWith(first), { timeout: 30000 }).catch((e) => log(e.message))
else { await p.locator('a.go').waitFor({ timeout: 15000 }).catch((e) => log('no link', e.message)); await p.screenshot({ path: '/tmp/ui-shots/mesh-click.png' }); log('banner', await p.locator('.banners').innerText(), p.url()) }
log('moved after', Date.now() - t, p.url().slice(0, 60)); await p.waitForTimeout(6000); log('now', p.url(), await p.locator('h1').innerText().catch((e) => e.message)); await p.screenshot({ path: `/tmp/ui-shots/mesh-moved-${trusted}.png` })
log(browser.errors.join('\n'))
