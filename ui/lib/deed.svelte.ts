/** One thing a person asked for: under way, or failed with the reason. Asking twice while it is under way does nothing. */
import { messageOf } from './client.ts'

export class Deed {
  busy = $state(false)
  failure = $state('')

  /** Whether it succeeded. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false
    this.busy = true
    this.failure = ''
    try {
      await work()
      return true
    } catch (error) {
      this.failure = messageOf(error)
      return false
    } finally {
      this.busy = false
    }
  }
}
