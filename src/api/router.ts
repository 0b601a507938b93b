import type { Result, Router } from 'hono/router'
import { RegExpRouter } from 'hono/router/reg-exp-router'
import { SmartRouter } from 'hono/router/smart-router'
import { TrieRouter } from 'hono/router/trie-router'

/**
 * Hono's usual router, one for each method: it finds a route by one regular expression, unless some routes of the app cannot be part of one, as
 * `/triggers/backtest` beside `/triggers/:id/test`. Then only those of their method are looked for step by step.
 */
export function createRouter<T>(): Router<T> {
  const added: [method: string, path: string, handler: T][] = []
  const routers = new Map<string, Router<T>>()
  return {
    name: 'RouterOfMethods',
    add: (...route) => void added.push(route),
    match(method, path): Result<T> {
      let router = routers.get(method)
      if (router === undefined) {
        router = new SmartRouter<T>({ routers: [new RegExpRouter(), new TrieRouter()] })
        for (const [of, ...rest] of added) if (of === method || of === 'ALL') router.add(of, ...rest)
        routers.set(method, router)
      }
      return router.match(method, path)
    },
  }
}
