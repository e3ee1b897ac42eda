/** The ground the other browser tests stand on: an authority that is trusted is trusted, one that is not is not. */
import 'reflect-metadata'
import { createServer } from 'node:https'
import type { Server } from 'node:https'
import * as x509 from '@peculiar/x509'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { namespacesMissing, startMesh } from '../mesh/harness/index.ts'
import { browserMissing, launchBrowser, proceedPastWarning, seriousFindings } from './harness/index.ts'

const PAGE = '<!doctype html><html lang="en"><title>Here</title><h1>Here</h1></html>'
const PALE =
  '<!doctype html><html lang="en"><title>Pale</title><p style="color:#eee;background:#fff">pale</p><img src="x"></html>'
const KEYS = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

let authority: string
let server: Server
let url: string

beforeAll(async () => {
  x509.cryptoProvider.set(crypto)
  const made = await makeCertificates()
  authority = made.authority
  server = createServer({ key: made.key, cert: made.leaf }, (request, response) => {
    response.setHeader('content-type', 'text/html').end(request.url === '/pale' ? PALE : PAGE)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `https://127.0.0.1:${(server.address() as { port: number }).port}/`
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

test.skipIf(browserMissing(true))('a page under a trusted authority opens without a word', async () => {
  await using browser = await launchBrowser({ trust: authority })
  const page = await browser.newPage()
  await page.goto(url)
  expect(await page.title()).toBe('Here')
  expect(browser.errors).toEqual([])
})

test.skipIf(browserMissing())(
  'without trust the page is refused, and opens after the one click of a person',
  async () => {
    await using browser = await launchBrowser()
    const page = await browser.newPage()
    await expect(page.goto(url)).rejects.toThrow('ERR_CERT_AUTHORITY_INVALID')
    await proceedPastWarning(page)
    expect(await page.title()).toBe('Here')
  }
)

test.skipIf(browserMissing(true))('axe finds a planted barrier and none on a plain page', async () => {
  await using browser = await launchBrowser({ trust: authority })
  const page = await browser.newPage()
  await page.goto(url)
  expect(await seriousFindings(page)).toEqual([])
  await page.goto(`${url}pale`)
  expect((await seriousFindings(page)).join('\n')).toMatch(
    /color-contrast[\s\S]*image-alt|image-alt[\s\S]*color-contrast/
  )
})

test.skipIf(browserMissing() ?? namespacesMissing())(
  'a browser at the place of a peer sees the network of that PC',
  async () => {
    await using mesh = await startMesh({ peers: ['atlas', 'den'], join: 'none' })
    const [atlas, den] = [mesh.peer('atlas'), mesh.peer('den')]
    const serve = `require('http').createServer((q, s) => s.end(q.socket.remoteAddress)).listen(18081, () => console.log('ready'))`
    await atlas.exec([process.execPath, '-e', serve]).prints('ready')
    await using browser = await launchBrowser({ enter: den.enter })
    const page = await browser.newPage()
    await page.goto(`http://${atlas.address}:18081/`)
    expect(await page.textContent('body')).toContain(den.address)
  }
)

async function makeCertificates(): Promise<{ authority: string; leaf: string; key: string }> {
  const dates = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 86_400_000) }
  const caKeys = await crypto.subtle.generateKey(KEYS, true, ['sign', 'verify'])
  const leafKeys = await crypto.subtle.generateKey(KEYS, true, ['sign', 'verify'])
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Test authority',
    keys: caKeys,
    signingAlgorithm: KEYS,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
    ...dates
  })
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: '02',
    subject: 'CN=127.0.0.1',
    issuer: ca.subject,
    publicKey: leafKeys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: KEYS,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
    ...dates
  })
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', leafKeys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`
  return { authority: ca.toString('pem'), leaf: leaf.toString('pem'), key }
}
