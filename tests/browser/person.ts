/** What a person does on the page in more than one test: the first account, signing in, reading figures off the screen. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { until } from '../mesh/harness/index.ts'
import type { Peer } from '../mesh/harness/index.ts'

export const ADA = { name: 'ada', password: 'three small boats' }

/** Where every PC on the LAN finds the page of this peer. */
export const addressOf = (peer: Peer): string => `https://${peer.address}:${peer.env.OMEGA_PORT ?? '8443'}`

/** This place in the page, at each address that these peers tell the others. */
export async function addressesOf(peers: Peer[], place: string): Promise<string[]> {
  const states = await Promise.all(peers.map((peer) => peer.status()))
  return states.flatMap(({ urls }) => urls.map((url) => `${url}/#${place}`))
}

/** Good only at the PC itself, by http://localhost. */
export const localAddressOf = (peer: Peer): string => `http://localhost:${peer.env.OMEGA_LOCAL_PORT ?? '8442'}`

/** What a person who trusts this mesh has installed in the browser. */
export const authorityOf = (peer: Peer): string => readFileSync(join(peer.dataDir, 'mesh-ca.pem'), 'utf8')

/** The link that `omega up` printed on that PC. */
export async function firstRunLink(peer: Peer): Promise<string> {
  const printed = () => /http:\/\/localhost:\d+\/#first-run=[\w-]+/.exec(peer.output())?.[0]
  return await until(printed, { what: `first-run link of ${peer.name}`, more: () => peer.log() })
}

/** From the page that the first-run link opens. */
export async function makeAccount(page: Page): Promise<void> {
  await page.getByLabel('Your name').fill(ADA.name)
  await page.getByLabel('Password', { exact: true }).fill(ADA.password)
  await page.getByLabel('Password again').fill(ADA.password)
  await page.getByRole('button', { name: 'Make account and enter' }).click()
  await signedIn(page)
}

export async function signIn(page: Page): Promise<void> {
  await page.getByLabel('Name').fill(ADA.name)
  await page.getByLabel('Password').fill(ADA.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await signedIn(page)
}

export async function signedIn(page: Page): Promise<void> {
  await page.getByRole('navigation', { name: 'Main' }).waitFor()
  await page.getByRole('button', { name: ADA.name, exact: true }).waitFor()
}

/** A figure as it stands on the screen, and what its title says of it. */
export interface Figure {
  text: string
  title: string
}

/** The rows of the dashboard's PCs: name, then every figure with its source. */
export async function readMachines(page: Page): Promise<Map<string, Figure[]>> {
  const rows = page
    .getByRole('region', { name: 'PCs' })
    .getByRole('row')
    .filter({ has: page.getByRole('rowheader') })
  const read = await rows.evaluateAll((elements) =>
    elements.map((row) => ({
      name: row.querySelector('th a')?.textContent ?? '',
      figures: [...row.querySelectorAll('td [title]')].map((figure) => ({
        text: figure.textContent.replace(/\s+/g, ' ').trim(),
        title: figure.getAttribute('title') ?? ''
      }))
    }))
  )
  return new Map(read.map(({ name, figures }) => [name, figures]))
}
