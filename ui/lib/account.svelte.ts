/**
 * Who is signed in, and the ways in: password, one-time first-run link, hand-over from another member. Secrets from the
 * fragment stay in memory only.
 */
import type { StatusView, UserView } from '../../node/http/views.ts'
import { ApiFailure, call, health, messageOf, onSignedOut } from './client.ts'
import { drafts } from './drafts.ts'
import { readArrival } from './handover.ts'
import { live } from './live.svelte.ts'
import { router } from './router.svelte.ts'

type Stage = 'checking' | 'unreachable' | 'signed-out' | 'first-run' | 'set-password' | 'signed-in'

class Account {
  stage = $state<Stage>('checking')
  user = $state.raw<UserView | null>(null)
  /** Why a person sees the sign-in page. */
  note = $state('')
  /** Phase of the peer as it says without a login. */
  phase = $state<string | null>(null)
  /** Whose password a one-time link sets. */
  invited = $state('')
  #firstRunToken = ''
  #passwordToken = ''

  /** Reads and erases the fragment, then finds the way in. */
  async arrive(): Promise<void> {
    onSignedOut(() => this.#lost('Your login has ended. Sign in again; what you typed is kept.'))
    live.onrefused = () => void call<UserView>('GET', '/me').catch(() => {})
    const arrival = readArrival(location.hash)
    if (arrival?.kind === 'first-run') {
      router.replace('/')
      this.#firstRunToken = arrival.token
      this.stage = 'first-run'
      return
    }
    if (arrival?.kind === 'set-password') {
      router.replace('/')
      this.invited = arrival.name
      this.#passwordToken = arrival.token
      this.stage = 'set-password'
      return
    }
    if (arrival?.kind === 'handover') {
      router.replace(arrival.route)
      drafts.restore(arrival.drafts)
      if (arrival.ticket !== '' && (await this.#carryOver(arrival.ticket))) return
      if (arrival.ticket === '')
        this.note = 'The peer you came from was away too long to carry your login. What you typed is kept.'
    }
    await this.check()
  }

  async check(): Promise<void> {
    this.stage = 'checking'
    try {
      this.#enter(await call<UserView>('GET', '/me'))
    } catch (error) {
      this.phase = await health()
      if (error instanceof ApiFailure && error.status === 0) this.stage = 'unreachable'
      else this.stage = 'signed-out'
    }
  }

  async signIn(name: string, password: string): Promise<void> {
    this.#enter(await call<UserView>('POST', '/auth/login', { name, password }))
  }

  async signOut(): Promise<void> {
    await call('POST', '/auth/logout')
    drafts.clear()
    this.#lost('You are signed out.')
  }

  /** Makes the owner account and enters with it. */
  async createOwner(name: string, password: string): Promise<void> {
    this.#enter(await call<UserView>('POST', '/auth/first-run', { token: this.#firstRunToken, name, password }))
    this.#firstRunToken = ''
  }

  /** For a person an admin has added. */
  async setPassword(password: string): Promise<void> {
    this.#enter(
      await call<UserView>('POST', '/auth/set-password', { name: this.invited, token: this.#passwordToken, password })
    )
    this.#passwordToken = ''
  }

  /** Calls that the one-time link allows before there is an account: status, join, found. */
  asNewcomer<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
    return call<T>(method, path, body, this.#firstRunToken === '' ? {} : { 'omega-first-run': this.#firstRunToken })
  }

  newcomerStatus(): Promise<StatusView> {
    return this.asNewcomer<StatusView>('GET', '/status')
  }

  /** The link is used up, wrong, or the mesh that was joined has accounts of its own. */
  async linkEnded(note: string): Promise<void> {
    this.#firstRunToken = ''
    this.note = note
    this.phase = await health()
    this.stage = 'signed-out'
  }

  get mayRun(): boolean {
    return this.user !== null && this.user.role !== 'viewer'
  }
  get mayManage(): boolean {
    return this.user?.role === 'admin'
  }
  /** People drive their own sessions; an admin drives all. */
  mayDrive(session: { user: string }): boolean {
    return this.mayManage || (this.mayRun && session.user === this.user?.name)
  }

  async #carryOver(ticket: string): Promise<boolean> {
    try {
      this.#enter(await call<UserView>('POST', '/auth/handover', { ticket }))
      return true
    } catch (error) {
      this.note = `Your login was not carried over: ${messageOf(error)} What you typed is kept.`
      return false
    }
  }

  #enter(user: UserView): void {
    this.user = user
    this.note = ''
    this.stage = 'signed-in'
    live.start()
  }

  #lost(note: string): void {
    if (this.stage !== 'signed-in') return
    live.stop()
    this.user = null
    this.note = note
    this.stage = 'signed-out'
  }
}

export const account = new Account()
