/** argv -> command. The only file that ends the process. */
import { runCli } from './cli/program.ts'

const code = await runCli(process.argv.slice(2))
// A command that leaves a server running gives no code; it ends by its own way out.
if (code !== undefined) {
  await new Promise<void>((done) => process.stdout.write('', () => done()))
  process.exit(code)
}
