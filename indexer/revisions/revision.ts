import {
  type AbiEvent,
  type ContractEventName,
  type DecodeEventLogReturnType,
  type Hex,
  toEventSelector,
} from 'viem'
import type { DecodedFields, Registry, StoredEventType } from '../../src/event.ts'

/** One declaration of an event, as it stood in the contracts for a while, and what its arguments mean. */
export type Revision = {
  registry: Registry
  /** The type that it is stored as. An event that was renamed keeps one type. */
  eventType: StoredEventType
  item: AbiEvent
  topic0: Hex
  /** Unix seconds. Before, contracts that nobody uses any more logged something else under the same topic. */
  sinceS: number
  /** The arguments that hold text. An indexed string is not one of them: its log holds only a hash. */
  textArguments: ReadonlySet<string>
  /** @param data the log's raw data, for what text cannot hold. */
  fields(args: never, data: Hex): Partial<DecodedFields>
}

type ArgumentsOf<Item extends AbiEvent> = DecodeEventLogReturnType<
  readonly [Item],
  ContractEventName<readonly [Item]>,
  Hex[],
  Hex,
  true
>['args']

/** A revision from its declaration; the columns it fills follow from its arguments. */
export function declare<const Item extends AbiEvent>(
  registry: Registry,
  eventType: StoredEventType,
  item: Item,
  fields: (args: ArgumentsOf<Item>, data: Hex) => Partial<DecodedFields>,
  { sinceS = 0 } = {},
): Revision {
  return {
    registry,
    eventType,
    item,
    topic0: toEventSelector(item),
    sinceS,
    textArguments: new Set(
      item.inputs.flatMap(({ type, indexed, name }) =>
        type === 'string' && indexed !== true && name !== undefined ? [name] : [],
      ),
    ),
    fields,
  }
}
