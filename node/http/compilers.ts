/** Zod checks requests and JSON.stringify writes answers. Given as builders, Fastify never loads its own compilers (6 MB). */
import type { FastifyServerOptions } from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'

type ZodRoute = Parameters<typeof validatorCompiler>[0]

function buildValidator() {
  return (route: ZodRoute) => {
    const validate = validatorCompiler(route)
    // A body that is absent is `null` to Fastify and `undefined` to zod, which then takes the defaults.
    return (data: unknown) => validate(data ?? undefined)
  }
}

const buildSerializer = () => () => (answer: unknown) => JSON.stringify(answer)

/** Fastify types its builders for its own kinds of schema; ours are zod's throughout. */
export const zodController = { compilersFactory: { buildValidator, buildSerializer } } as unknown as NonNullable<
  FastifyServerOptions['schemaController']
>
