/** Properties are tried with the same values for the same commit; SIM_SEED chooses others, and a failure prints its seed. */
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env['SIM_SEED'] ?? 10_001) })
