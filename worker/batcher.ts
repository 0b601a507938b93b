/**
 * Turns single calls into calls with many items: those that come while the call before is under way go together in the next
 * one. An item alone goes at once.
 *
 * @param run answers with one result an item, in the same order. When it throws, every item of the call fails with that.
 * @param itemsMax the most items of one call.
 */
export function createBatcher<Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  itemsMax: number,
): (item: Item) => Promise<Result> {
  let waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = []
  let running = false

  const drain = async () => {
    running = true
    // What is asked for in the same turn of the event loop goes together from the first call on.
    await Promise.resolve()
    while (waiting.length > 0) {
      const batch = waiting.slice(0, itemsMax)
      waiting = waiting.slice(itemsMax)
      try {
        const results = await run(batch.map(({ item }) => item))
        for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) void drain()
    })
}
