import fc from 'fast-check'
import { tools } from '../../../src/mcp-server/tools.ts'
import type { Hints } from './values-of.ts'

const address = `0x${'90f79bf6'.repeat(5)}`
const pauses = fc.constantFrom('1s', '5m', '1h', '24h')
const windows = fc.constantFrom('30s', '10m', '1h', '7d')

/** Conditions that are right together with the registry. */
const conditions = {
  reputation: [
    { condition_type: 'score_threshold', operator: '<', value: 70 },
    { condition_type: 'score_threshold', field: 'score', operator: '!=', value: '-1.25' },
    { condition_type: 'tag_equals', field: 'tag1', operator: 'in', value: ['quality', 'speed'] },
    { condition_type: 'agent_id_equals', value: 7 },
    { condition_type: 'client_whitelist', value: [address] },
    { condition_type: 'event_type_equals', value: 'NewFeedback' },
    { condition_type: 'expression', value: 'event.score > 5' },
    { condition_type: 'file_uri_exists' },
    { condition_type: 'ema_threshold', field: 'score', operator: '<', value: 50, config: { alpha: 0.5 } },
    { condition_type: 'rate_limit', operator: '>', value: 3, config: { window: '1h' } },
  ],
  identity: [
    { condition_type: 'owner_equals', operator: '=', value: address },
    { condition_type: 'metadata_key_equals', operator: 'contains', value: 'desc' },
    { condition_type: 'event_type_equals', operator: 'in', value: ['Registered', 'Transfer'] },
  ],
  validation: [
    { condition_type: 'response_threshold', operator: '>=', value: 50 },
    { condition_type: 'validator_whitelist', operator: 'not_in', value: [address] },
    { condition_type: 'tag_equals', field: 'tag', value: 'second-opinion' },
  ],
}

const templates = fc.constantFrom<unknown>(
  '{{ event.agent_id }}',
  { agent: '{{ event.agent_id }}', list: [1, '{{ event.score | times: 2 }}'] },
  'plain',
)
const urls = fc.constantFrom(
  'https://receiver.example/hook',
  'http://127.0.0.1:9/a?b=c',
  'https://x.example:8443/',
)
const schedules = fc.array(pauses, { minLength: 1, maxLength: 3 })

const actions = fc.oneof(
  fc.record(
    {
      action_type: fc.constant('rest'),
      config: fc.record(
        {
          url: urls,
          method: fc.constantFrom('POST', 'PUT', 'GET'),
          headers: fc.constantFrom({ 'x-key': 'secret' }, {}),
          query: fc.constantFrom({ agent: '{{ event.agent_id }}' }, {}),
          body_template: templates,
          timeout_ms: fc.integer({ min: 1000, max: 60_000 }),
          max_attempts: fc.integer({ min: 1, max: 20 }),
        },
        { requiredKeys: ['url'] },
      ),
      priority: fc.constantFrom(0, 1, 2_097_150),
      alerts: fc.boolean(),
      finality: fc.constantFrom(null, 'latest', 'finalized', { confirmations: 3 }),
      on_retraction: fc.constantFrom('ignore', 'notify'),
    },
    { requiredKeys: ['action_type', 'config'] },
  ),
  fc.record({
    action_type: fc.constant('rest'),
    config: fc.record({ url: urls, retry_schedule: schedules }),
  }),
  fc.record({
    action_type: fc.constant('telegram'),
    config: fc.record(
      {
        chat_id: fc.constant('@chat'),
        message_template: fc.constantFrom('Agent {{ event.agent_id }}', '<b>x</b>'),
        parse_mode: fc.constantFrom('HTML', 'plain'),
        silent: fc.boolean(),
      },
      { requiredKeys: ['chat_id'] },
    ),
  }),
  fc.record({
    action_type: fc.constant('mcp'),
    config: fc.record(
      {
        endpoint: urls,
        tool_name: fc.constant('review'),
        arguments_template: fc.constant({ agent: '{{ event.agent_id }}' }),
        agent_id: fc.constantFrom(7, '7'),
      },
      { requiredKeys: ['endpoint', 'tool_name'] },
    ),
  }),
)

const limits = { scope: fc.constantFrom<unknown>('agent', 'trigger', ['agent']), digest: fc.boolean() }

const triggers = fc
  .constantFrom('reputation' as const, 'identity' as const, 'validation' as const)
  .chain((registry) =>
    fc.record(
      {
        name: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
        description: fc.constantFrom(null, '', 'made by the fuzz test'),
        chain_id: fc.constantFrom(31337, 8453),
        registry: fc.constant(registry),
        enabled: fc.boolean(),
        circuit_breaker: fc.constantFrom({}, { failures: 1000 }, { failures: 3, open_for: '5m' }),
        finality: fc.constantFrom('latest', 'finalized', { confirmations: 10_000 }),
        from_block: fc.constantFrom(null, 0, 12),
        warm_up: fc.boolean(),
        cooldown: fc.oneof(
          fc.constant(null),
          fc.record({ period: windows, ...limits }, { requiredKeys: ['period'] }),
        ),
        max_fires: fc.oneof(
          fc.constant(null),
          fc.record(
            { count: fc.integer({ min: 1, max: 1000 }), within: windows, ...limits },
            { requiredKeys: ['count', 'within'] },
          ),
        ),
        conditions: fc.subarray<object>(conditions[registry], { maxLength: 3 }),
        actions: fc.array(actions, { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: ['name', 'chain_id', 'registry', 'conditions', 'actions'] },
    ),
  )

/** Those that wait for a worker, which there is none of, are left out. */
const toolNames = tools.map(({ name }) => name).filter((name) => name !== 'test_trigger')

const mcpMessages = fc.oneof(
  fc.constant({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'fuzz', version: '1' } },
  }),
  fc.constantFrom(
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { jsonrpc: '2.0', id: 2, method: 'tools/list' },
    { jsonrpc: '2.0', id: 'a', method: 'ping' },
    { jsonrpc: '2.0', id: 4, method: 'resources/list' },
    { jsonrpc: '2.0', id: 5, method: 'nothing/of/the/kind', params: {} },
  ),
  fc.record({
    jsonrpc: fc.constant('2.0'),
    id: fc.nat(),
    method: fc.constant('tools/call'),
    params: fc.record(
      {
        name: fc.constantFrom(...toolNames),
        arguments: fc.oneof(
          fc.constantFrom<object>(
            {},
            { id: '@trigger' },
            { id: '@delivery' },
            { limit: 2 },
            { chain: '31337', agent: '7' },
          ),
          fc.record({ trigger: triggers }),
        ),
        _meta: fc.constant({ progressToken: 1 }),
      },
      { requiredKeys: ['name', 'arguments'] },
    ),
  }),
)

/** What the description cannot say: values that go together, and that mean something. `@…` is looked up when it is sent. */
export const hints: Hints = {
  '#TriggerDocument': triggers,
  '#ActionDocument': actions,
  '#ConditionDocument': fc.constantFrom(...conditions.reputation),
  '#McpMessage': mcpMessages,
  '#Registration': fc.record({ username: fc.constant('@new-name'), password: fc.constant('@password') }),
  '#Login': fc.record({ username: fc.constant('@login-name'), password: fc.constant('@password') }),
  '#PasswordChange': fc.constant({ current_password: '@password', new_password: 'another password, long' }),
  '#AccountDeletion': fc.constant({ password: '@password' }),
  '#DestinationLimits': fc.constantFrom(
    { in_flight_max: 1000 },
    { per_second_max: null },
    { in_flight_max: 1, per_second_max: 0.001 },
  ),
  '#PreviewRequest': fc.oneof(
    fc.record({ action: actions, event_id: fc.constant('@event') }),
    fc.record({
      template: templates,
      mode: fc.constantFrom('text', 'value', 'html'),
      event_type: fc.constant('NewFeedback'),
    }),
    fc.record({ action: actions, trigger_id: fc.constant('@kept') }),
  ),
  '#BacktestRequest': fc.oneof(
    fc.record({ trigger: triggers, from_block: fc.constantFrom(0, 5), limit: fc.nat(1000) }),
    fc.record({
      trigger_id: fc.constant('@kept'),
      from_block: fc.constant(0),
      to_block: fc.nat(20),
      render: fc.boolean(),
    }),
    fc.record({
      trigger_id: fc.constant('@kept'),
      from: fc.constant('2026-01-01'),
      to: fc.constant('2026-03-01'),
    }),
  ),
  '#TestRequest': fc.oneof(
    fc.constant({}),
    fc.record({ event_id: fc.constant('@event') }),
    fc.record({
      event_type: fc.constantFrom('NewFeedback', 'Registered'),
      action_ids: fc.constant(['@action']),
    }),
  ),
  '#DeadLetterFilter': fc.record(
    {
      state: fc.constantFrom('failed', 'unknown'),
      trigger_id: fc.constant('@kept'),
      since: fc.constant('2026-01-01'),
    },
    { requiredKeys: ['state'] },
  ),
  '#UserChange': fc.constantFrom(
    { is_active: false },
    { is_active: true },
    { is_admin: false },
    { is_admin: true },
  ),
  trigger_id: fc.constantFrom('@kept', '@trigger'),
  event: fc.constant('@event'),
  event_id: fc.constant('@event'),
  delivery_id: fc.constant('@delivery'),
  destination: fc.constantFrom('receiver.example', '127.0.0.1:9'),
  endpoint: urls,
  overlap: fc.constantFrom('0', '1h', '24h'),
  cursor: fc.constant('@cursor'),
  chain_id: fc.constant(31337),
  owner: fc.constant('0x70997970c51812dc3a010c7d01b50e0d17dc79c8'),
  wait: fc.constant(0),
  follow: fc.constant('false'),
  kinds: fc.constantFrom('event', 'event,match,delivery'),
  from: fc.constantFrom('start', '2026-11-01'),
  scope: fc.constantFrom('', '7', 'agent:7'),
  block: fc.constantFrom(12, 14, 20),
  expires_at: fc.constantFrom(null, '2126-01-01T00:00:00.000Z'),
  muted_until: fc.constantFrom(null, '2126-01-01T00:00:00.000Z'),
  current_password: fc.constant('@password'),
  password: fc.constant('@password'),
  new_password: fc.constant('another password, also long'),
  refresh_token: fc.constant('@refresh'),
  message: fc.constant('@proof-message'),
  signature: fc.constant('@proof-signature'),
  'If-Match': fc.constant('*'),
  'If-None-Match': fc.constantFrom('*', '"a"'),
  'Idempotency-Key': fc.uuid(),
  'last-event-id': fc.constantFrom('1-1', ''),
  name: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }),
}
