/**
 * A set of task numbers as ranges: what of an array is over, waits or is under way. Tasks are handed out in order, so a
 * million of them are a handful of ranges, and a record holds ranges, never tasks.
 */

/** Tasks of one array. */
export const TASKS_MAX = 1_000_000

export class TaskSet {
  /** from, to, from, to …: ascending, apart from each other; `to` is not in it. */
  #bounds: number[] = []
  #size = 0

  /** Pairs of from and to in any order, also such as overlap; what is no range below `total` is left out. */
  static of(pairs: readonly number[], total: number): TaskSet {
    const set = new TaskSet()
    for (let i = 0; i + 1 < pairs.length; i += 2) set.add(Math.max(0, pairs[i]!), Math.min(total, pairs[i + 1]!))
    return set
  }

  get size(): number {
    return this.#size
  }
  get ranges(): number {
    return this.#bounds.length / 2
  }
  /** Pairs of from and to. */
  get pairs(): readonly number[] {
    return this.#bounds
  }

  has(task: number): boolean {
    return this.#upper(task) % 2 === 1
  }

  add(from: number, to = from + 1): void {
    if (to > from) this.#set(from, to, true)
  }

  remove(from: number, to = from + 1): void {
    if (to > from) this.#set(from, to, false)
  }

  /** Takes the first out of it: at most `count` of them, in at most `ranges` pieces. */
  take(count: number, ranges: number): number[] {
    const taken: number[] = []
    while (count > 0 && this.#bounds.length > 0 && taken.length < 2 * ranges) {
      const from = this.#bounds[0]!
      const to = Math.min(this.#bounds[1]!, from + count)
      taken.push(from, to)
      count -= to - from
      this.remove(from, to)
    }
    return taken
  }

  /** The longest ranges, in order: as much as a record has room for. */
  longest(ranges: number): TaskSet {
    if (this.ranges <= ranges) return this
    const starts = Array.from({ length: this.ranges }, (_, i) => 2 * i)
    const lengthAt = (i: number): number => this.#bounds[i + 1]! - this.#bounds[i]!
    starts.sort((a, b) => lengthAt(b) - lengthAt(a) || a - b)
    const kept = new TaskSet()
    for (const i of starts.slice(0, ranges).sort((a, b) => a - b)) {
      kept.#bounds.push(this.#bounds[i]!, this.#bounds[i + 1]!)
      kept.#size += lengthAt(i)
    }
    return kept
  }

  /** How many of this are in the other, too. */
  within(other: TaskSet): number {
    let count = 0
    for (let i = 0, j = 0; i < this.#bounds.length && j < other.#bounds.length;) {
      const from = Math.max(this.#bounds[i]!, other.#bounds[j]!)
      const to = Math.min(this.#bounds[i + 1]!, other.#bounds[j + 1]!)
      count += Math.max(0, to - from)
      if (this.#bounds[i + 1]! < other.#bounds[j + 1]!) i += 2
      else j += 2
    }
    return count
  }

  /** How many bounds are at or below it: odd inside of a range. */
  #upper(task: number): number {
    let low = 0
    let high = this.#bounds.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#bounds[middle]! <= task) low = middle + 1
      else high = middle
    }
    return low
  }

  #set(from: number, to: number, isIn: boolean): void {
    // Ranges that touch become one when something is added, and are cut when something is taken out.
    const first = this.#upper(from - 1)
    const last = this.#upper(to)
    const inBefore = first % 2 === 1
    const inAfter = last % 2 === 1
    const between = this.#bounds.slice(first, last)
    let covered = 0
    let open: number | undefined = inBefore ? from : undefined
    for (const bound of between) {
      if (open === undefined) open = bound
      else {
        covered += Math.min(bound, to) - Math.max(open, from)
        open = undefined
      }
    }
    if (open !== undefined) covered += to - Math.max(open, from)
    this.#size += isIn ? to - from - covered : -covered
    const edges: number[] = []
    if (inBefore !== isIn) edges.push(from)
    if (inAfter !== isIn) edges.push(to)
    this.#bounds.splice(first, last - first, ...edges)
  }
}
