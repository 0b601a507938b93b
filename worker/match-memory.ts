import type { CompiledTrigger } from '../src/conditions/compiled-trigger.ts'
import type { Transaction } from '../src/db.ts'
import type { Hit } from '../src/engine/fold.ts'
import { type Memory, nameOf, ownPositions, type Slot, type SlotKey } from '../src/engine/memory.ts'
import { type MatcherPosition, readDueSlots, readSlots, writeSlots } from '../src/store/matching.ts'
import type { TriggerCache } from './trigger-cache.ts'

/** How many deadlines a step takes at least, if so many have passed. */
const dueMax = 5_000

/** Reads the states that a fold of these hits needs and that the memory does not hold. */
export async function loadSlots(tx: Transaction, memory: Memory, hits: readonly Hit[]): Promise<void> {
  const needed: SlotKey[] = []
  for (const { trigger, event, error } of hits) {
    if (error !== undefined) continue
    for (const condition of trigger.stateful) {
      needed.push(keyOf(trigger, condition.position, condition.scopeOf(event)))
    }
    for (const limit of trigger.limits) {
      needed.push(keyOf(trigger, ownPositions[limit.kind], limit.scopeOf(event)))
    }
  }
  await loadKeys(tx, memory, needed)
}

async function loadKeys(tx: Transaction, memory: Memory, needed: readonly SlotKey[]): Promise<void> {
  const missing = new Map(needed.filter((key) => !memory.has(key)).map((key) => [nameOf(key), key]))
  if (missing.size === 0) return

  const keys = [...missing.values()]
  const rows = await readSlots(tx, [
    keys.map((key) => key.trigger_id),
    keys.map((key) => key.generation),
    keys.map((key) => key.position),
    keys.map((key) => key.scope),
  ])
  for (const { state, wake_at, ...key } of rows) {
    memory.load({ ...key, state: state ?? undefined, wakeAt: wake_at?.getTime() })
    missing.delete(nameOf(key))
  }
  for (const key of missing.values()) memory.load({ ...key, state: undefined, wakeAt: undefined })
}

function keyOf({ id, generation }: CompiledTrigger, position: number, scope: string): SlotKey {
  return { trigger_id: id, generation, position, scope }
}

/**
 * The states that are to be woken before the clock (ms), in the memory; of one trigger, or (`null`) of those that go with the chain.
 *
 * @returns `isCut`: there are more, none of them earlier than these.
 */
export async function loadDue(
  tx: Transaction,
  chainId: number,
  { memory, loaded }: TriggerCache,
  clock: number,
  triggerId: string | null,
): Promise<{ slots: Slot[]; isCut: boolean }> {
  const rows = await readDueSlots(tx, [chainId, new Date(clock), triggerId, dueMax])
  const slots = rows.map(({ state, wake_at, ...key }) => ({ ...key, state, wakeAt: wake_at.getTime() }))
  for (const slot of slots) if (!memory.has(slot)) memory.load(slot)
  // Waking can make a trigger fire: then its limits are asked, in the scopes of the event that was the last.
  const limits = slots.flatMap((slot) => {
    const trigger = loaded.get(slot.trigger_id)?.trigger
    const { limit_scopes: scopes } = slot.state
    if (trigger === undefined || !Array.isArray(scopes)) return []
    return trigger.limits.map(({ kind }, index) =>
      keyOf(trigger, ownPositions[kind], String(scopes[index] ?? '')),
    )
  })
  await loadKeys(tx, memory, limits)
  return { slots, isCut: slots.length >= dueMax }
}

/** Writes what has changed, with what it was before each block that can still be replaced. Returns whether anything had. */
export async function saveMemory(
  tx: Transaction,
  chainId: number,
  memory: Memory,
  at: MatcherPosition,
): Promise<boolean> {
  const { changed, journal } = memory.taken()
  const replaceable = journal.filter(({ block_number }) => block_number > at.finalized_block_number)
  const finalizedMore = at.finalized_block_number > at.matched_finalized_block
  if (changed.length === 0 && !finalizedMore) return false
  await writeSlots(tx, [
    chainId,
    changed.map(rowOf),
    replaceable.map(({ block_number, ...slot }) => ({ ...rowOf(slot), block_number })),
    at.finalized_block_number,
  ])
  return changed.length > 0
}

function rowOf({ trigger_id, generation, position, scope, state, wakeAt }: Slot) {
  return {
    trigger_id,
    generation,
    position,
    scope,
    state: state ?? null,
    wake_at: wakeAt === undefined ? null : new Date(wakeAt),
  }
}
