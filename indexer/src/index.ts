import { ponder } from 'ponder:registry'
import { registryEvent } from 'ponder:schema'
import { sql } from 'ponder'
import { eventTypes, registries } from '../../src/event.ts'
import { type DecodedLog, decodeLog } from '../decode.ts'

// Runs in Ponder's first transaction on a new schema, before any row. Once a chain; the function may be repeated.
ponder.on('identity:setup', async ({ context }) => {
  await context.db.sql.execute(
    sql`select attach_ingest((parse_ident(pg_typeof(null::${registryEvent})::text))[1])`,
  )
})

for (const registry of registries) {
  for (const eventType of eventTypes[registry]) {
    // Ponder types one literal name at a time. The arguments are those of the ABI's event of this name.
    ponder.on(`${registry}:${eventType}` as 'identity:Registered', async ({ event, context }) => {
      const decoded = { eventName: eventType, args: event.args } as unknown as DecodedLog
      await context.db
        .insert(registryEvent)
        .values(decodeLog(decoded, { ...event, chainId: context.chain.id }))
    })
  }
}
