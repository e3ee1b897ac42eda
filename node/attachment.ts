/**
 * Watching a session from any peer: its output from a log offset on, input to it, its end. When the runner goes away or
 * the session moves, the watcher follows; it ends with the session, or when nobody will go on with it.
 */
import { MeshError } from '../protocols/errors.ts'
import type { ChannelHandle, Peer } from '../protocols/peer/index.ts'
import type { PeerId, SessionId } from '../protocols/ports.ts'
import { FINAL_STATES, isTaskRun, progressInWords, survivesRunner } from '../protocols/session/index.ts'
import type { SessionRecord } from '../protocols/session/index.ts'
import type { PeerHost } from './adapters/host.ts'
import type { Attachment } from './http/api.ts'
import type { SessionView } from './http/views.ts'
import { encodeInput, outputCutter } from './io-wire.ts'
import type { OutputFrame, Signal } from './io-wire.ts'
import { placeOfTask } from './task-place.ts'
import type { TerminalSize } from './terminal-size.ts'
import type { LogFrame } from './sessiond/log-format.ts'
import { outputOf } from './watched.ts'

export interface WatchContext {
  peer: Peer
  host: PeerHost
  view(record: SessionRecord): SessionView
}

export interface WatchOptions {
  from: number
  follow: boolean
  stdin: boolean
  /** Of an array: this task's output alone. */
  task?: number
  /** Of a terminal, and from 0 on: begins with what it shows. */
  screen?: boolean
}

export function watchSession(context: WatchContext, id: SessionId, options: WatchOptions): Attachment {
  return new Watcher(context, id, options)
}

class Watcher implements Attachment {
  readonly output: AsyncIterable<LogFrame>
  readonly ended: Promise<SessionView>
  readonly #context: WatchContext
  readonly #id: SessionId
  readonly #options: WatchOptions
  readonly #progress: ((text: string) => void)[] = []
  readonly #gone = new AbortController()
  #wake: () => void = () => {}
  #sink: InputSink | undefined
  #sinkCame: (() => void)[] = []
  #size: TerminalSize | undefined
  #carried: { run: string; parts: Uint8Array[] } = { run: '', parts: [] }
  #resolveEnded: (view: SessionView) => void = () => {}
  #rejectEnded: (error: Error) => void = () => {}
  readonly #stopListening: () => void

  constructor(context: WatchContext, id: SessionId, options: WatchOptions) {
    this.#context = context
    this.#id = id
    this.#options = options
    this.ended = new Promise((resolve, reject) => {
      this.#resolveEnded = resolve
      this.#rejectEnded = reject
    })
    this.ended.catch(() => {})
    this.output = this.#run()
    this.#stopListening = context.peer.onChange((what) => {
      if (what === 'sessions' || what === 'nodes') this.#wake()
    })
  }

  onProgress(listener: (text: string) => void): void {
    this.#progress.push(listener)
  }

  async writeStdin(bytes: Uint8Array): Promise<void> {
    const sink = await this.#inputSink()
    await sink.write(bytes)
  }
  endStdin(): void {
    void this.#inputSink().then(
      (sink) => sink.end(),
      () => {}
    )
  }
  signal(name: Signal): void {
    if (this.#sink !== undefined) return this.#sink.signal(name)
    // Nothing runs yet: the wish to interrupt is the wish that it never starts.
    const record = this.#record()
    if (record !== undefined) this.#context.peer.sessions.stop(record, record.spec.user, () => {})
  }

  resize(size: TerminalSize): void {
    this.#size = size
    if (this.#record()?.spec.terminal !== undefined) this.#sink?.resize(size)
  }

  close(): void {
    this.#gone.abort()
    this.#sink?.close()
    this.#stopListening()
    this.#wake()
    for (const came of this.#sinkCame.splice(0)) came()
  }

  async *#run(): AsyncGenerator<LogFrame> {
    try {
      const { task } = this.#options
      if (task === undefined) yield* this.#follow()
      else yield* this.#followTask(task)
      const record = await this.#final()
      this.#resolveEnded(this.#context.view(record))
    } catch (error) {
      this.#rejectEnded(error as Error)
      throw error
    } finally {
      this.close()
    }
  }

  async *#follow(): AsyncGenerator<LogFrame> {
    let from = this.#options.from
    let run: string | undefined
    let told = ''
    while (!this.#closed) {
      const record = this.#record()
      if (record === undefined)
        throw new MeshError('UNKNOWN_SESSION', `session ${this.#id.slice(0, 8)} is not known here any more`)
      // A run that is only being started has no output yet; `startedAt` may be of the run before it.
      const started = record.runner !== undefined && record.startedAt !== undefined && record.state !== 'starting'
      if (started && run !== runOf(record)) {
        if (run !== undefined) from = 0
        if (run !== undefined) this.#tell(`it goes on at ${this.#context.peer.nameOf(record.runner!)}`)
        run = runOf(record)
      }
      if (started) {
        const complete = yield* this.#readRun(record, from, (offset) => (from = offset))
        if (complete && (!this.#options.follow || FINAL_STATES.has(this.#record()?.state ?? 'failed'))) return
      } else if (!this.#options.follow || FINAL_STATES.has(record.state)) {
        return
      } else if (record.reason !== undefined && record.reason !== told && record.state === 'pending') {
        told = record.reason
        this.#tell(`waiting: ${told}`)
      } else if (record.progress !== undefined && tenths(record) !== told) {
        told = tenths(record)
        this.#tell(progressInWords(record))
      }
      if (FINAL_STATES.has(this.#record()?.state ?? 'failed') && run === runOf(this.#record()!)) return
      this.#refuseDead()
      await this.#change()
    }
  }

  /** Also of a task that is still to run, if it is to be followed. */
  async *#followTask(task: number): AsyncGenerator<LogFrame> {
    const { peer, host } = this.#context
    const { follow } = this.#options
    let { from } = this.#options
    while (!this.#closed) {
      const record = this.#record()
      const total = record?.spec.array
      if (record === undefined || total === undefined || task >= total)
        throw new MeshError(
          'BAD_REQUEST',
          total === undefined
            ? `session ${this.#id.slice(0, 8)} is no array and has no task ${task}`
            : `session ${this.#id.slice(0, 8)} has tasks 0 to ${total - 1}, and no task ${task}`
        )
      const isOver = !follow || FINAL_STATES.has(record.state)
      const place = await placeOfTask(peer, host, this.#id, task)
      if (place !== undefined) {
        const run = { ...record, id: place.session, epoch: place.epoch, runner: place.peer }
        if (yield* this.#readRun(run, from, (offset) => (from = offset))) return
      } else if (isOver) {
        throw new MeshError(
          'UNKNOWN_SESSION',
          `no PC that can be reached has output of task ${task} of session ${this.#id.slice(0, 8)}: it has not run yet, or its PC is away`
        )
      }
      await this.#change()
    }
  }

  /** The output of one run. True: read to its end; false: it broke off. */
  async *#readRun(
    record: SessionRecord,
    from: number,
    reached: (offset: number) => void
  ): AsyncGenerator<LogFrame, boolean> {
    const { follow } = this.#options
    const { peer, host } = this.#context
    const screen = this.#options.screen === true && from === 0 && record.spec.terminal !== undefined
    const over = FINAL_STATES.has(record.state) && !isTaskRun(record.epoch)
    if (record.runner === peer.self) {
      this.#setSink(hostSink(host, record), record)
      const options = { follow, screen, over, signal: this.#gone.signal }
      for await (const frame of outputOf(host, record.id, record.epoch, from, options)) {
        if (this.#closed) return true
        reached(frame.offset)
        yield frame
      }
      return true
    }
    if (!peer.isReachable(record.runner!)) return false
    const channel = peer.channels.open(record.runner!, 'io', {
      id: record.id,
      epoch: record.epoch,
      from,
      follow,
      ...(screen ? { screen } : {}),
      ...(over ? { over } : {}),
      confirm: true
    })
    const sink = channelSink(channel)
    this.#setSink(sink, record)
    const reader = new ChannelReader(channel)
    // A quiet program would hold the channel for as long as it runs.
    const leave = (): void => channel.abort('the watcher went away')
    this.#gone.signal.addEventListener('abort', leave)
    try {
      for await (const frame of reader) {
        if (this.#closed) return true
        const { stream, offset, bytes } = frame
        if (stream === 4) {
          sink.taken(offset)
          continue
        }
        reached(offset)
        yield { stream, offset, bytes }
      }
    } finally {
      if (!reader.complete) this.#carried = { run: runOf(record), parts: sink.untaken() }
      // Whoever waits for room in this channel would wait for ever.
      this.#sink?.close()
      this.#sink = undefined
      this.#gone.signal.removeEventListener('abort', leave)
      if (!reader.complete) leave()
    }
    return reader.complete
  }

  /** Throws when the runner is away and nobody may take the session over. */
  #refuseDead(): void {
    const record = this.#record()
    if (record?.runner === undefined || record.runner === this.#context.peer.self) return
    const state = this.#context.peer.member(record.runner)?.state
    const gone = state === 'dead' || state === 'left' || state === undefined
    const name = this.#context.peer.nameOf(record.runner)
    const short = record.id.slice(0, 8)
    if (gone && FINAL_STATES.has(record.state))
      throw new MeshError('PEER_UNREACHABLE', `${name} has the output of session ${short} and cannot be reached now`)
    if (gone && !survivesRunner(record)) {
      throw new MeshError(
        'PEER_UNREACHABLE',
        `${name} is away while session ${short} ran there; it goes on if ${name} comes back (\`omega logs -f ${short}\`), or start it with --restart on-node-loss`
      )
    }
  }

  async #final(): Promise<SessionRecord> {
    while (!this.#closed && this.#options.follow && this.#options.task === undefined) {
      const record = this.#record()
      if (record === undefined || FINAL_STATES.has(record.state)) break
      this.#refuseDead()
      await this.#change()
    }
    const record = this.#record()
    if (record === undefined)
      throw new MeshError('UNKNOWN_SESSION', `session ${this.#id.slice(0, 8)} is not known here any more`)
    return record
  }

  #record(): SessionRecord | undefined {
    const { peer } = this.#context
    const summary = peer.summary(this.#id)
    const local = peer.sessions.records.all.get(this.#id)
    if (summary === undefined || local === undefined) return summary ?? local
    return local.epoch > summary.epoch || (local.epoch === summary.epoch && local.seq > summary.seq) ? local : summary
  }

  get #closed(): boolean {
    return this.#gone.signal.aborted
  }

  /** Something of the mesh changed, or a second went by. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve()
      const timer = setTimeout(resolve, 1_000)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #tell(text: string): void {
    for (const listener of this.#progress) listener(text)
  }

  #setSink(sink: InputSink, record: SessionRecord): void {
    this.#sink?.close()
    this.#sink = sink
    // What the channel before took with it, for the same program.
    const { run, parts } = this.#carried
    this.#carried = { run: '', parts: [] }
    if (run === runOf(record)) for (const part of parts) void sink.write(part).catch(() => {})
    if (this.#size !== undefined) this.resize(this.#size)
    for (const came of this.#sinkCame.splice(0)) came()
  }

  async #inputSink(): Promise<InputSink> {
    for (;;) {
      if (this.#closed) throw new MeshError('BAD_REQUEST', 'the session takes no input any more')
      if (this.#sink !== undefined) return this.#sink
      await new Promise<void>((resolve) => this.#sinkCame.push(resolve))
    }
  }
}

interface InputSink {
  write(bytes: Uint8Array): Promise<void>
  end(): void
  signal(name: Signal): void
  /** How large a terminal the watcher can show. */
  resize(size: TerminalSize): void
  close(): void
}

function hostSink(host: PeerHost, { id, epoch }: SessionRecord): InputSink {
  const viewer = host.viewer(id, epoch)
  return {
    resize: (size) => viewer.resize(size),
    write: (bytes) => host.input(id, epoch, bytes),
    end: () => host.endInput(id, epoch),
    signal: (name) => host.signal(id, epoch, name),
    close: () => viewer.close()
  }
}

interface ChannelSink extends InputSink {
  /** So many bytes of what was written need not be kept. */
  taken(bytes: number): void
  untaken(): Uint8Array[]
}

function channelSink(channel: ChannelHandle): ChannelSink {
  const kept: Uint8Array[] = []
  let takenTo = 0
  const waiting: (() => void)[] = []
  const writable = (): void => {
    for (const go of waiting.splice(0)) go()
  }
  channel.onWritable(writable)
  return {
    taken: (bytes) => {
      while (kept[0] !== undefined && takenTo + kept[0].length <= bytes) takenTo += kept.shift()!.length
    },
    untaken: () => kept,
    write: async (bytes) => {
      kept.push(bytes)
      if (!channel.write(encodeInput({ k: 'input', bytes })))
        await new Promise<void>((resolve) => waiting.push(resolve))
    },
    end: () => void channel.write(encodeInput({ k: 'end' })),
    signal: (name) => void channel.write(encodeInput({ k: 'signal', name })),
    resize: (size) => void channel.write(encodeInput({ k: 'size', ...size })),
    close: () => {
      writable()
      channel.end()
    }
  }
}

/** Output frames of a channel as an iterable; bytes count as consumed when the reader asks for the next frame. */
class ChannelReader implements AsyncIterable<OutputFrame> {
  complete = false
  readonly #queue: { frame?: OutputFrame; credit: number }[] = []
  #over = false
  #wake: () => void = () => {}
  readonly #channel: ChannelHandle

  constructor(channel: ChannelHandle) {
    this.#channel = channel
    const cutter = outputCutter()
    channel.onData((bytes) => {
      try {
        const frames = cutter.push(bytes)
        for (const frame of frames) this.#queue.push({ frame: { ...frame, bytes: frame.bytes.slice() }, credit: 0 })
        this.#queue.push({ credit: bytes.length })
      } catch (error) {
        this.#over = true
        channel.abort((error as Error).message)
      }
      this.#wake()
    })
    channel.onEnd(() => {
      this.complete = true
      this.#over = true
      channel.end()
      this.#wake()
    })
    channel.onClose((why) => {
      this.complete ||= why === undefined
      this.#over = true
      this.#wake()
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputFrame> {
    for (;;) {
      const next = this.#queue.shift()
      if (next?.frame !== undefined) yield next.frame
      else if (next !== undefined) this.#channel.consumed(next.credit)
      else if (this.#over) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

/** A watcher is told of each tenth. */
function tenths({ spec, progress }: SessionRecord): string {
  const { done = 0, failed = 0 } = progress ?? {}
  return `${Math.floor((10 * (done + failed)) / (spec.array ?? 1))} tenths`
}

const runOf = (record: SessionRecord): string => `${record.runner}/${record.epoch}`

/** Peers that may hold a blob, most likely first. */
export function blobSources(record: SessionRecord | undefined, peers: readonly PeerId[]): PeerId[] {
  const likely = record === undefined ? [] : [record.runner ?? record.owner, record.submitter, ...record.keepers]
  return [...new Set([...likely, ...peers])]
}
