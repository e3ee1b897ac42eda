/**
 * What a person has typed and not sent, by name. Survives a reload of this tab and travels with a hand-over. Never holds
 * passwords, invites or tickets.
 */
import type { Drafts as Written } from './handover.ts'

const KEY = 'omega.drafts'

class Drafts {
  #texts: Written

  constructor() {
    try {
      this.#texts = JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Written
    } catch {
      this.#texts = {}
    }
  }

  get(name: string): string {
    return this.#texts[name] ?? ''
  }

  set(name: string, text: string): void {
    const { [name]: _, ...rest } = this.#texts
    this.#texts = text === '' ? rest : { ...rest, [name]: text }
    this.#save()
  }

  all(): Written {
    return this.#texts
  }

  restore(drafts: Written): void {
    this.#texts = { ...this.#texts, ...drafts }
    this.#save()
  }

  clear(): void {
    this.#texts = {}
    this.#save()
  }

  #save(): void {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.#texts))
    } catch {
      // Storage is full or forbidden: the draft lives as long as the page.
    }
  }
}

export const drafts = new Drafts()
