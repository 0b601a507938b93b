import { Hono } from 'hono'
import { listen } from '../src/api/listen.ts'
import { openDatabase } from '../src/db.ts'

// What a route costs that does nothing but one query: the same runtime and pool as the API's, one row by its key.
const db = openDatabase(process.argv[2] ?? '', { name: 'bare' })
const app = new Hono()
app.get('/rows/:id', async (c) => {
  const [row] = await db`select body from bench_rows where id = ${c.req.param('id')}`
  return row === undefined ? c.notFound() : c.json(row.body)
})
const { url } = await listen(app, { host: '127.0.0.1', port: 0 })
process.send?.(url)
process.on('disconnect', () => process.exit(0))
