import fc from 'fast-check'
import type { Random } from '../../src/dev/random.ts'
import { triggerArbitrary } from '../../test/support/reference/arbitraries.ts'
import type { Finality, ReferenceTrigger } from '../../test/support/reference/trigger.ts'

/** A trigger as the simulator stores it: complete. */
export type SimTrigger = Omit<ReferenceTrigger, 'actions' | 'id' | 'version' | 'generation'> & {
  name: string
  enabled: boolean
  actions: readonly SimAction[]
}

export type SimAction = {
  action_type: 'rest'
  priority: number
  alerts: boolean
  finality: Finality | null
  on_retraction: 'ignore' | 'notify'
  config: Record<string, unknown>
}

const finalities = ['latest', 'latest', 'finalized', { confirmations: 2 }, { confirmations: 12 }] as const

/** Those that remember nothing, of the conditions that the reference draws. */
const statelessTypes = /^(agent_id_equals|score_threshold|response_threshold|tag_equals|client_whitelist)$/

/**
 * Triggers of the kinds that the reference knows, for the chains of a world, and some that look into files beside.
 *
 * @param startS the time of the chains' first blocks; `height` of theirs.
 */
export function randomTriggers(
  random: Random,
  count: number,
  world: { chainIds: readonly number[]; startS: number; height: number },
): SimTrigger[] {
  const drawn = fc.sample(triggerArbitrary(), { seed: random.integer(1, 2 ** 30), numRuns: count })
  return drawn.map(({ id: _, version: __, generation: ___, ...trigger }, index): SimTrigger => {
    const content = random.next() < 0.2 ? [randomContent(random)] : []
    const isFromBeginning = random.next() < 0.8
    // Some fire for every event: what is not there cannot be retracted.
    const isPlain = random.next() < 0.35
    const conditions = trigger.conditions.filter(({ field, condition_type }) => {
      return (
        !isPlain || condition_type === 'expression' || (field !== null && statelessTypes.test(condition_type))
      )
    })
    return {
      ...trigger,
      name: `Trigger ${index}`,
      enabled: true,
      chain_id: random.pick(world.chainIds),
      active_since: new Date(isFromBeginning ? 0 : (world.startS + random.integer(0, 600)) * 1000),
      from_block: trigger.from_block === null ? null : random.integer(0, world.height + 20),
      finality: random.pick<Finality>(finalities),
      ...(isPlain ? { cooldown: null, max_fires: null } : {}),
      conditions: [...conditions, ...content].map((condition, position) => ({
        condition_type: condition.condition_type,
        field: condition.field ?? null,
        operator: condition.operator ?? null,
        value: condition.value ?? null,
        config: condition.config ?? {},
        position,
      })),
      actions: Array.from({ length: random.pick([1, 1, 2]) }, (_, number) => ({
        action_type: 'rest',
        priority: 1,
        alerts: false,
        finality: random.next() < 0.3 ? random.pick<Finality>(finalities) : null,
        on_retraction: random.next() < 0.6 ? 'notify' : 'ignore',
        config: {
          ...{ url: `http://127.0.0.1:9/${number}`, method: 'POST', headers: {} },
          ...{ timeout_ms: 5_000, max_attempts: 8 },
        },
      })),
    }
  })
}

/** What the files of this world hold is in answer-files.ts. */
function randomContent(random: Random): SimTrigger['conditions'][number] {
  const common = { field: null, position: 0 }
  return random.pick([
    { ...common, condition_type: 'file_fetched', operator: '=', value: true, config: {} },
    { ...common, condition_type: 'file_fetched', operator: '=', value: false, config: {} },
    { ...common, condition_type: 'file_hash', operator: 'in', value: ['raw', 'jcs'], config: {} },
    { ...common, condition_type: 'file_json', operator: '=', value: true, config: { path: '$.active' } },
  ])
}

/** Another version of a trigger, and how much of it is new. */
export function changeTrigger(
  random: Random,
  trigger: SimTrigger,
  other: SimTrigger,
): { changed: SimTrigger; what: 'name' | 'limits' | 'conditions' } {
  const what = random.pick(['name', 'name', 'limits', 'conditions', 'conditions'] as const)
  // The clock's triggers have no limits in the reference.
  const isAbsence = trigger.conditions.some(({ condition_type }) => condition_type === 'absence')
  const fits = other.registry === trigger.registry && other.chain_id === trigger.chain_id
  if (what === 'conditions' && fits) {
    const { conditions, cooldown, max_fires } = other
    return { changed: { ...trigger, conditions, cooldown, max_fires }, what }
  }
  if (what === 'limits' && !isAbsence) {
    return {
      changed: { ...trigger, cooldown: other.registry === trigger.registry ? other.cooldown : null },
      what,
    }
  }
  const finality = random.pick<Finality>(finalities)
  return { changed: { ...trigger, name: `${trigger.name}, again`, finality }, what: 'name' }
}
