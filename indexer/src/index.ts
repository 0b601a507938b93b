import { ponder } from 'ponder:registry'
import { feedbackCount, registryEvent } from 'ponder:schema'
import { sql } from 'ponder'
import { readLog } from '../read-log.ts'
import { ponderName, revisions } from '../revisions/find-revision.ts'

// Runs in Ponder's first transaction on a new schema, before any row. Once a chain; the function may be repeated.
ponder.on('identity:setup', async ({ context }) => {
  await context.db.sql.execute(
    sql`select attach_ingest((parse_ident(pg_typeof(null::${registryEvent})::text))[1])`,
  )
})

for (const revision of revisions) {
  // Ponder types one literal name at a time. All of them are handled alike.
  const name = `${revision.registry}:${ponderName(revision)}` as 'identity:Registered'
  ponder.on(name, async ({ event, context }) => {
    const row = readLog(event.args, { ...event, chainId: context.chain.id })
    if (row === undefined) return

    if (row.event_type === 'NewFeedback' && row.feedback_index === null) {
      // In SQL, past Ponder's cache of rows: when the database fails at a commit, Ponder runs the block again, and does not set
      // its cache back first. A count from there would go up twice (found by the simulator).
      const [counted] = await context.db.sql
        .insert(feedbackCount)
        .values({
          id: [row.chain_id, row.contract_address, row.agent_id, row.client_address].join('-'),
          count: 1,
        })
        .onConflictDoUpdate({ target: feedbackCount.id, set: { count: sql`${feedbackCount.count} + 1` } })
        .returning()
      if (counted === undefined) throw new Error('Postgres did not count the feedback')
      row.feedback_index = String(counted.count)
    }
    await context.db.insert(registryEvent).values(row)
  })
}
