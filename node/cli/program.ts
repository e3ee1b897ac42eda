/** The commands, their options and help. Each loads only what it needs; every failure is one clear line and an exit code. */
import { hostname } from 'node:os'
import { Command, CommanderError, Option } from 'commander'
import { MeshError } from '../../protocols/errors.ts'
import type { Restart } from '../../protocols/session/index.ts'
import { dataDirOf, parseDuration } from '../config.ts'
import { programVersion } from '../install/layout.ts'
import { Client } from './client.ts'
import { DETACH_KEYS } from './detach-keys.ts'
import { fail } from './output.ts'

/** As a literal: the value would load the schemas for every command. */
const RESTARTS: readonly Restart[] = ['no', 'on-failure', 'on-node-loss', 'always']

interface Global {
  url?: string
  token?: string
  ca?: string
}

/** Resolves to the exit code, or undefined when the command goes on (a peer that is up). */
export async function runCli(argv: readonly string[]): Promise<number | undefined> {
  let code: number | undefined = 0
  const program = build((result) => (code = result))
  try {
    await program.parseAsync(argv as string[], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (error instanceof MeshError) {
      fail(error.message)
      return 1
    }
    throw error
  }
}

function build(ended: (code: number | undefined) => void): Command {
  const program = new Command('omega')
  const client = (): Client => {
    const { url, token, ca } = program.opts<Global>()
    return new Client({
      dataDir: dataDirOf(process.env),
      ...(url === undefined ? {} : { url }),
      ...(token === undefined ? {} : { token }),
      ...(ca === undefined ? {} : { ca })
    })
  }
  program
    .description('The PCs you own, as one desktop.')
    .version(programVersion())
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'omega: ').replace('\n(', ' (')) })
    .showSuggestionAfterError()
    .option('--url <url>', 'talk to another peer, such as https://192.168.1.20:8443')
    .option('--token <token>', 'token for --url')
    .option('--ca <file>', 'CA of the other mesh for --url')
  const add = (name: string, summary: string, example: string): Command =>
    program
      .command(name)
      .summary(summary)
      .description(summary)
      .option('--json', 'one JSON document on stdout')
      .addHelpText('after', `\nExample:\n  ${example}`)
      .exitOverride()
  const list = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

  add('up', 'start the peer on this PC', 'omega up --offer cpu=50%,ram=4G')
    .option('--new', 'make a new mesh at once, without looking for an open door')
    .option('--join <invite>', 'join the mesh of an invite')
    .option('--accept-open-door', 'join the first mesh with an open door, without asking')
    .option('--offer <what>', 'what this PC gives the mesh')
    .option('--witness', 'keep records and vote on strict sessions, and run nothing')
    .option('--label <key=value>', 'label for placement; may be repeated', list)
    .option('--name <name>', 'name of this PC on all screens')
    .option('--log-level <level>', 'debug, info, warn or error')
    .option('--no-browser', 'do not open the page')
    .action(async (flags) => {
      const { up } = await import('./up.ts')
      ended(await up(flags, hostname()))
    })
  add('down', 'end the peer: sessions move away or are stopped', 'omega down')
    .option('--keep-sessions', 'leave what runs to be adopted by the next start')
    .action(async (flags) => ended(await (await commands()).down(client(), flags)))
  add('status', 'how this peer is', 'omega status --json').action(async (flags) =>
    ended(await (await commands()).status(client(), flags))
  )
  add('invite', 'let another PC in', 'omega invite --open 10m')
    .option('--open <duration>', 'open the door for so long instead of making an invite')
    .option('--close', 'close the door')
    .option('--uses <n>', 'how many PCs may use the invite', '1')
    .option('--ttl <duration>', 'how long it is good for', '24h')
    .action(async (flags) => ended(await (await commands()).invite(client(), flags)))
  add('join', 'join the mesh of an invite, or of an open door', "omega join 'omega-invite:…'")
    .argument('[invite]', 'the line that `omega invite` printed; without it, an open door is taken after asking')
    .option('--accept-open-door', 'take the open door without asking')
    .action(async (invite: string | undefined, flags) => ended(await (await commands()).join(client(), invite, flags)))
  add('leave', 'leave the mesh', 'omega leave').action(async (flags) =>
    ended(await (await commands()).leave(client(), flags))
  )
  add('nodes', 'the PCs of the mesh', 'omega nodes').action(async (flags) =>
    ended(await (await commands()).nodes(client(), flags))
  )
  const node = program.command('node').description('this PC in the mesh').exitOverride()
  for (const [verb, summary] of [
    ['pause', 'stop what runs on this PC until resume'],
    ['resume', 'go on with what was stopped']
  ] as const) {
    node
      .command(verb)
      .description(summary)
      .option('--json', 'one JSON document on stdout')
      .addHelpText('after', `\nExample:\n  omega node ${verb}`)
      .exitOverride()
      .action(async (flags) => ended(await (await commands()).node(client(), verb, flags)))
  }
  for (const [name, summary, example] of [
    ['run', 'run a command on the PC that fits, as if it ran here', 'omega run --cpu 2 -- make -j2'],
    ['submit', 'run a command without waiting for it', 'omega submit --on den -- ./render.sh']
  ] as const) {
    add(name, summary, example)
      .argument('<command...>', 'program and arguments')
      .option('--cpu <cores>', 'cores it needs')
      .option('--memory <size>', 'memory it needs, such as 2G')
      .option('--on <node>', 'only on this PC')
      .option('--not-on <node>', 'not on this PC')
      .option('--label <key=value>', 'only on PCs with this label; may be repeated', list)
      .option('--env <key=value>', 'variable for the program; may be repeated', list)
      .addOption(new Option('--restart <when>', 'start it again after it was lost or failed').choices(RESTARTS))
      .option(
        '--array <count>',
        'so many tasks of it, wherever there is room; each sees its number, from 0 on, in OMEGA_TASK, and how many there are in OMEGA_TASK_COUNT; files that tasks write do not come back'
      )
      .option('--class <0-4>', 'where there is no room, 0 goes first and 4 last; without it 2')
      .option(
        '-t, --tty',
        name === 'run'
          ? 'give it a terminal; without a word it has one when this command stands in one'
          : 'give it a terminal, which `omega attach` comes to'
      )
      .option('-T, --no-tty', 'give it pipes')
      .option('--strict', 'never two runs of it, not for a moment; needs most of its keepers to run at all')
      .addOption(detachOption())
      .option('--files', 'send the current folder whatever it is')
      .option('--no-files', 'leave the current folder here')
      .passThroughOptions()
      .action(async (command: string[], flags, self: Command) => {
        // Commander sets `files` to true as soon as --no-files exists; only a word from the person counts.
        const files = self.getOptionValueSource('files') === 'cli' ? flags.files : undefined
        const tty = self.getOptionValueSource('tty') === 'cli' ? flags.tty : undefined
        const { run, submit } = await import('./run.ts')
        ended(await (name === 'run' ? run : submit)(client(), command, { ...flags, files, tty }))
      })
  }
  add('attach', 'go to a session: its terminal, or its output and input', 'omega attach 3f9a2c')
    .argument('<session>')
    .addOption(detachOption())
    .action(async (id: string, flags) => ended(await (await import('./attach.ts')).attach(client(), id, flags)))
  add('apps', 'programs with windows, and the PCs that have them', 'omega apps').action(async (flags) =>
    ended(await (await import('./open.ts')).apps(client(), flags))
  )
  add('open', 'open a program with windows, and show them in the browser', 'omega open mousepad')
    .argument('<program...>', 'one of `omega apps` by name or id, or any program, and its arguments')
    .option('--on <node>', 'only on this PC')
    .option('--no-browser', 'do not open the page')
    .passThroughOptions()
    .action(async (command: string[], flags) => ended(await (await import('./open.ts')).open(client(), command, flags)))
  add('ps', 'the sessions of the mesh', 'omega ps --all')
    .option('-a, --all', 'ended ones too')
    .action(async (flags) => ended(await (await commands()).ps(client(), flags)))
  add('show', 'one session: where, why there, and what became of it', 'omega show 3f9a2c')
    .argument('<session>')
    .action(async (id: string, flags) => ended(await (await commands()).show(client(), id, flags)))
  add('logs', 'what a session wrote', 'omega logs -f 3f9a2c')
    .argument('<session>')
    .option('-f, --follow', 'go on until it ends')
    .option('--task <number>', 'of an array: the output of this task')
    .action(async (id: string, flags) => ended(await (await commands()).logs(client(), id, flags)))
  add('stop', 'stop a session', 'omega stop 3f9a2c')
    .argument('<session>')
    .option('--fork', 'discard only the older runs of it that are kept frozen; the session goes on')
    .action(async (id: string, flags) => ended(await (await commands()).stop(client(), id, flags)))
  add('takeover', 'go on with a strict session whose PC is off, on your word that it is', 'omega takeover 3f9a2c')
    .argument('<session>')
    .option('--yes', 'do not ask: the PCs it waits for are off')
    .action(async (id: string, flags) => ended(await (await import('./strict.ts')).takeover(client(), id, flags)))
  add('tie', 'who decides about strict sessions while only two PCs keep them', 'omega tie anchor den')
    .argument('[rule]', 'runner, both, or anchor and the name of a PC')
    .argument('[pc]', 'the anchor')
    .action(async (rule: string | undefined, pc: string | undefined, flags) =>
      ended(await (await import('./strict.ts')).tie(client(), rule, pc, flags))
    )
  // The simulator is a program of its own: the peer knows nothing of it.
  program
    .command('sim')
    .description('replay, explore and show simulated meshes')
    .argument('[arguments...]')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .exitOverride()
    .action(async (rest: string[]) => {
      const { spawn } = await import('node:child_process')
      const { programFile } = await import('../install/layout.ts')
      const child = spawn(process.execPath, [programFile('sim'), ...rest], { stdio: 'inherit' })
      // Who ends this program means the simulator; Ctrl-C at a terminal goes to both.
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
      ended(await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1))))
    })
  return program
}

const detachOption = (): Option =>
  new Option('--detach-keys <keys>', `keys that leave its terminal while it goes on; without it ${DETACH_KEYS}`)

const commands = (): Promise<typeof import('./commands.ts')> => import('./commands.ts')

/** Throws BAD_REQUEST. */
export function duration(text: string, flag: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new MeshError('BAD_REQUEST', `${flag} ${text}: give a duration, such as 90s, 10m or 24h`)
  return ms
}
