/**
 * A fresh PC without a mesh while the door of one is open: its own page, reached by the link it printed, shows the mesh and
 * six words, the member's page shows the same six, and one click makes it a member on both.
 */
import type { Locator } from 'playwright-core'
import { expect, test } from 'vitest'
import { startMesh } from '../mesh/harness/index.ts'
import { Complaints } from './complaints.ts'
import { browserMissing, launchBrowser } from './harness/index.ts'
import { findings } from './looks.ts'
import { firstRunLink, localAddressOf, makeAccount, signIn } from './person.ts'

test.skipIf(browserMissing())(
  'a fresh PC shows the open door with the six words of the page of the member, and joins by a click',
  { timeout: 300_000 },
  async () => {
    const named = { name: 'atlas', env: { OMEGA_CLUSTER_NAME: 'Workshop' } }
    await using mesh = await startMesh({ peers: [named, 'den', 'lark'], join: 'none' })
    const [atlas, den, lark] = [mesh.peer('atlas'), mesh.peer('den'), mesh.peer('lark')]
    await atlas.up(['--new'])
    const { invite } = await atlas.json<{ invite: string }>(['invite'])
    await den.up(['--join', invite])

    await using home = await launchBrowser({ enter: atlas.enter })
    const member = await home.newPage()
    await member.goto(await firstRunLink(atlas))
    await makeAccount(member)
    await member.getByRole('heading', { name: 'Two PCs ready.' }).waitFor()
    await member.getByRole('link', { name: 'Nodes' }).click()
    await member.getByRole('link', { name: 'Add a PC' }).click()
    await member.getByRole('button', { name: 'Open the door for 10 minutes' }).click()
    await member.getByText('The door of atlas is open').waitFor()

    await lark.up([], { phase: 'looking' })
    await using there = await launchBrowser({ enter: lark.enter })
    const complaints = new Complaints(there)
    const page = await there.newPage()
    await page.goto(await firstRunLink(lark))
    await page.getByRole('heading', { name: 'lark looks for your mesh.' }).waitFor()
    const offer = page.getByRole('listitem').filter({ hasText: 'Workshop' })
    await offer.waitFor()
    expect(await offer.innerText()).toMatch(/^Workshop at atlas\b/)
    const words = await sixWords(offer)
    await member.getByText('waits for a yes at its own screen').waitFor()
    expect(await sixWords(member.getByRole('listitem').filter({ hasText: 'lark' }))).toEqual(words)
    const told = (await lark.status()).offers.filter(({ meshName }) => meshName === 'Workshop')
    expect(told.map((one) => one.words)).toEqual([words.join(' ')])
    expect(await findings(page, 'looking')).toEqual([])
    expect(await findings(member, 'knock')).toEqual([])
    expect(complaints.except()).toEqual([])

    await page.getByRole('button', { name: 'Join Workshop' }).click()
    // The mesh has an account: the link has served, and that account enters here too.
    await page.getByText('This PC is in Workshop now').waitFor()
    await signIn(page)
    await page.getByRole('heading', { name: 'Three PCs ready.' }).waitFor()
    expect(page.url()).toContain(localAddressOf(lark))
    await member.getByRole('link', { name: 'Dashboard' }).click()
    await member.getByRole('heading', { name: 'Three PCs ready.' }).waitFor()
    for (const here of [page, member]) await here.getByRole('rowheader', { name: /^ready ?lark/ }).waitFor()
  }
)

async function sixWords(place: Locator): Promise<string[]> {
  const shown = place.getByText('Six words:').locator('..')
  const words = (await shown.innerText()).replace('Six words:', '').trim().split(/\s+/)
  expect(words).toHaveLength(6)
  return words
}
