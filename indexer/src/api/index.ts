import { Hono } from 'hono'

// Ponder insists on an app of ours beside its own routes (/health, /ready, /status, /metrics). There is nothing to add.
export default new Hono()
