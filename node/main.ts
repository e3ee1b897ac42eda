/** argv -> command. The only file that ends the process. */
import { runCli } from './cli/program.ts'

// A reader that has seen enough (`omega ps | head`) ends the command as it ends any other.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 141 : 1))
}
const code = await runCli(process.argv.slice(2))
// A command that leaves a server running gives no code; it ends by its own way out.
if (code !== undefined) {
  await new Promise<void>((done) => process.stdout.write('', () => done()))
  process.exit(code)
}
