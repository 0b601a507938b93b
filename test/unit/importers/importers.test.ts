// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of other programs
import { describe, expect, test } from 'vitest'
import { identityAbi, reputationAbi, validationAbi } from '../../../indexer/abi.ts'
import { knownChains } from '../../../src/chains.ts'
import { fromDefender } from '../../../src/importers/from-defender.ts'
import { fromOpenZeppelinMonitor } from '../../../src/importers/from-openzeppelin-monitor.ts'
import { registrySignatures } from '../../../src/importers/registry-signatures.ts'
import { translateExpression } from '../../../src/importers/translate-expression.ts'
import { parseTriggerDocument } from '../../../src/trigger-document.ts'

const newFeedback =
  'NewFeedback(uint256,address,uint64,int128,uint8,string,string,string,string,string,bytes32)'
const base = knownChains.find(({ name }) => name === 'base')
const reputation = base?.registries.reputation ?? ''
const reasons = ({ skipped }: { skipped: { path: string; reason: string }[] }) =>
  skipped.map(({ path, reason }) => `${path}: ${reason}`)

const expectValid = (triggers: object[]) => {
  for (const trigger of triggers) expect(parseTriggerDocument(trigger, knownChains)).toHaveProperty('ok')
}

test('the signatures are those of the events that are indexed, parameter by parameter', () => {
  const indexed = [...identityAbi, ...reputationAbi, ...validationAbi].map(({ name, inputs }) => [
    `${name}(${inputs.map(({ type }) => type).join(',')})`,
    inputs.map((input) => input.name),
  ])
  const ours = Object.entries(registrySignatures).map(([signature, { parameters }]) => [
    signature,
    Object.keys(parameters),
  ])
  expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(indexed))
})

describe('an expression', () => {
  const translate = (text: string) => {
    const signature = registrySignatures[newFeedback]
    if (signature === undefined) throw new Error('unknown')
    const translated = translateExpression(text, signature)
    return 'reason' in translated ? translated.reason : translated.conditions
  }
  const expression = (value: string) => ({ condition_type: 'expression', value })

  test('keeps its meaning: comparisons, AND, OR, parentheses, texts, addresses', () => {
    expect(translate('value > 10000000000')).toEqual([expression('event.value > 10000000000')])
    expect(translate('agentId == 42 AND value < -5')).toEqual([
      { condition_type: 'agent_id_equals', value: '42' },
      expression('event.value < -5'),
    ])
    expect(translate('value < 5 or value > 9 and tag1 == "it\'s"')).toEqual([
      expression("event.value < 5 || event.value > 9 && event.tag1 == 'it\\'s'"),
    ])
    expect(translate('(value < 5 || value > 9) && tag2 contains "x"')).toEqual([
      expression('(event.value < 5 || event.value > 9)'),
      expression("event.tag2.contains('x')"),
    ])
    const address = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
    expect(translate(`clientAddress=${address}`)).toEqual([
      expression(`event.client_address == '${address.toLowerCase()}'`),
    ])
  })

  test('that says more than that, or speaks of what is not there, is not guessed at', () => {
    expect(translate('value + 1 > 5')).toMatch(/more than comparisons/)
    expect(translate('amount > 5')).toMatch(/no parameter "amount"/)
    expect(translate('indexedTag1 == "a"')).toMatch(/only a hash/)
    expect(translate('value > five')).toMatch(/is no number/)
    expect(translate('tag1 > "a"')).toMatch(/is for numbers/)
    expect(translate('(value > 5')).toMatch(/without a \)/)
    expect(translate('value >')).toMatch(/no comparison/)
    expect(translate('value > 5 value')).toMatch(/goes on/)
  })
})

describe('OpenZeppelin Monitor', () => {
  const monitor = (changes: object = {}) => ({
    name: 'Bad scores',
    paused: false,
    networks: ['base_mainnet'],
    addresses: [{ address: reputation, contract_spec: [] }],
    match_conditions: {
      functions: [],
      events: [{ signature: newFeedback, expression: 'value < 50 AND agentId == 42' }],
      transactions: [{ status: 'Success', expression: null }],
    },
    triggers: ['hook'],
    trigger_conditions: [],
    ...changes,
  })
  const message = {
    title: '${monitor.name}',
    body: 'Agent ${events.0.args.agentId} in ${transaction.hash}, ${block.x}',
  }
  const notifications = {
    hook: {
      name: 'Hook',
      trigger_type: 'webhook',
      config: {
        url: { type: 'Plain', value: 'https://hooks.example.com/a' },
        method: 'POST',
        secret: { type: 'Plain', value: 'geheim' },
        headers: { 'X-A': 'b' },
        message,
      },
    },
    chat: {
      name: 'Chat',
      trigger_type: 'telegram',
      config: {
        token: { type: 'Plain', value: '1:AAA' },
        chat_id: '-100',
        message: { title: 't', body: 'b' },
      },
    },
    mail: { name: 'Mail', trigger_type: 'email', config: {} },
    slack: {
      name: 'Slack',
      trigger_type: 'slack',
      config: { slack_url: { type: 'Environment', value: 'SLACK' }, message: { title: 't', body: 'b' } },
    },
  }
  const read = (...contents: unknown[]) =>
    fromOpenZeppelinMonitor([
      ...contents.map((content, index) => ({ file: `m${index}.json`, content })),
      { file: 't.json', content: notifications },
    ])

  test('becomes triggers that mean the same, with their variables', () => {
    const imported = read(monitor())
    expectValid(imported.triggers)
    expect(imported.triggers).toEqual([
      {
        name: 'Bad scores',
        chain_id: 8453,
        registry: 'reputation',
        conditions: [
          { condition_type: 'event_type_equals', value: 'NewFeedback' },
          { condition_type: 'expression', value: 'event.value < 50' },
          { condition_type: 'agent_id_equals', value: '42' },
        ],
        actions: [
          {
            action_type: 'rest',
            config: {
              url: 'https://hooks.example.com/a',
              headers: { 'X-A': 'b' },
              body_template: {
                title: 'Bad scores',
                body: 'Agent {{ event.agent_id }} in {{ event.transaction_hash }}, ${block.x}',
              },
            },
          },
        ],
      },
    ])
    expect(reasons(imported)).toEqual([
      expect.stringMatching(/^t\.json: hook\.message: \$\{block\.x\} stands for nothing/),
      expect.stringMatching(/^t\.json: hook\.secret: webhooks are signed with a secret that Tocsin makes/),
    ])
    expect(JSON.stringify(imported)).not.toContain('geheim')
  })

  test('is one trigger for each network and event, and takes networks from their files', () => {
    const network = { slug: 'my_sepolia', chain_id: 11155111, network_type: 'EVM' }
    const testnet = knownChains.find(({ name }) => name === 'sepolia')?.registries.reputation
    const imported = read(
      monitor({
        networks: ['my_sepolia', 'base', 'solana_mainnet'],
        addresses: [{ address: reputation }, { address: testnet }],
        match_conditions: {
          events: [{ signature: newFeedback }, { signature: 'FeedbackRevoked(uint256,address,uint64)' }],
        },
        paused: true,
      }),
      network,
    )
    expectValid(imported.triggers)
    expect(imported.triggers.map((trigger) => (trigger as { name: string }).name)).toEqual([
      'Bad scores · NewFeedback · sepolia',
      'Bad scores · NewFeedback · base',
      'Bad scores · FeedbackRevoked · sepolia',
      'Bad scores · FeedbackRevoked · base',
    ])
    expect(imported.triggers[0]).toMatchObject({ enabled: false })
    expect(reasons(imported).join('\n')).toContain(
      'networks[2]: no ERC-8004 registries are known on solana_mainnet',
    )
  })

  test('is left out rather than made to fire for more, and says why', () => {
    const check = (changes: object, reason: RegExp) => {
      const imported = read(monitor(changes))
      expect(imported.triggers).toEqual([])
      expect(reasons(imported).join('\n')).toMatch(reason)
    }
    const events = [{ signature: newFeedback, expression: null }]
    check({ trigger_conditions: [{ script_path: 'a.py' }] }, /trigger_conditions\[0\].*script/)
    check(
      { match_conditions: { events, transactions: [{ status: 'Any', expression: 'value > 0' }] } },
      /transactions\[0\]/,
    )
    check({ match_conditions: { events, transactions: [{ status: 'Failure' }] } }, /failed has no events/)
    check(
      { match_conditions: { events: [{ signature: newFeedback, expression: 'value * 2 > 1' }] } },
      /more than comparisons/,
    )
    check({ match_conditions: { events: [{ signature: 'Paused(address)' }] } }, /no event of the ERC-8004/)
    check(
      { match_conditions: { events: [], functions: [{ signature: 'f()' }] } },
      /functions\[0\][\s\S]*no event/,
    )
    check({ addresses: [{ address: `0x${'1'.repeat(40)}` }] }, /no ERC-8004 registry on base/)
    check(
      { triggers: ['mail', 'slack', 'nowhere'] },
      /email[\s\S]*slack_url: its value is not in the file[\s\S]*no such trigger/,
    )
    expect(reasons(read('x', { y: {} })).join('\n')).toMatch(
      /m0\.json: it is no object\nm1\.json: y: it is neither/,
    )
  })

  test('sends to Telegram by the bot that is here', () => {
    const imported = read(monitor({ triggers: ['chat'] }))
    expectValid(imported.triggers)
    expect(imported.triggers[0]).toMatchObject({
      actions: [
        {
          action_type: 'telegram',
          config: { chat_id: '-100', parse_mode: 'plain', message_template: 't\n\nb' },
        },
      ],
    })
    expect(reasons(imported)).toEqual([expect.stringMatching(/chat\.token: messages come of the bot/)])
    expect(JSON.stringify(imported)).not.toContain('1:AAA')
  })
})

describe('Defender', () => {
  const asCode = (changes: object = {}) => ({
    resources: {
      notifications: {
        'hook-1': { type: 'webhook', name: 'Hook', config: { url: 'https://hooks.example.com/d' } },
        'mail-1': { type: 'email', name: 'Mail', config: { emails: ['a@example.com'] } },
      },
      monitors: {
        'bad-scores': {
          name: 'Bad scores',
          type: 'BLOCK',
          network: 'base',
          addresses: [reputation],
          'alert-threshold': { amount: 3, 'window-seconds': 3600 },
          'confirm-level': 'finalized',
          'notify-config': {
            timeout: 60_000,
            channels: ['${self:resources.notifications.hook-1}', '${self:resources.notifications.mail-1}'],
          },
          conditions: {
            event: [{ signature: newFeedback, expression: 'value < 50' }],
            function: [{ signature: 'giveFeedback()' }],
          },
          ...changes,
        },
      },
    },
  })
  const read = (content: unknown) => fromDefender([{ file: 'serverless.yml', content }])

  test('becomes a trigger with its threshold, pause and finality', () => {
    const imported = read(asCode())
    expectValid(imported.triggers)
    expect(imported.triggers).toEqual([
      {
        name: 'Bad scores',
        chain_id: 8453,
        registry: 'reputation',
        finality: 'finalized',
        cooldown: { period: '60s', scope: ['trigger'] },
        conditions: [
          { condition_type: 'event_type_equals', value: 'NewFeedback' },
          { condition_type: 'expression', value: 'event.value < 50' },
          { condition_type: 'rate_limit', value: '3', config: { time_window: '3600s', scope: ['trigger'] } },
        ],
        actions: [{ action_type: 'rest', config: { url: 'https://hooks.example.com/d' } }],
      },
    ])
    expect(reasons(imported)).toEqual([
      expect.stringMatching(/conditions\.function\[0\]: triggers look at events/),
      expect.stringMatching(/channels\[1\]: there is no action like email/),
    ])
  })

  test('is read as its API gave it, too', () => {
    const imported = read([
      {
        name: 'Bad scores',
        type: 'BLOCK',
        network: 'base',
        paused: true,
        addressRules: [
          {
            addresses: [reputation],
            conditions: [
              { eventConditions: [{ eventSignature: newFeedback, expression: null }], txConditions: [] },
            ],
          },
        ],
        notifyConfig: { notifications: [{ type: 'telegram', config: { botToken: '1:AAA', chatId: '-5' } }] },
      },
    ])
    expectValid(imported.triggers)
    expect(imported.triggers).toEqual([
      {
        name: 'Bad scores',
        chain_id: 8453,
        registry: 'reputation',
        enabled: false,
        conditions: [{ condition_type: 'event_type_equals', value: 'NewFeedback' }],
        actions: [{ action_type: 'telegram', config: { chat_id: '-5' } }],
      },
    ])
    expect(JSON.stringify(imported)).not.toContain('1:AAA')
  })

  test('is left out rather than made to fire for more, and says why', () => {
    const check = (changes: object, reason: RegExp) => {
      const imported = read(asCode(changes))
      expect(imported.triggers).toEqual([])
      expect(reasons(imported).join('\n')).toMatch(reason)
    }
    check({ type: 'FORTA' }, /type: a monitor of FORTA/)
    check({ network: 'fantom' }, /network: no ERC-8004 registries/)
    check({ 'action-condition': 'x' }, /action-condition: an action that filters/)
    check(
      { conditions: { event: [{ signature: newFeedback }], transaction: 'gasPrice > 0' } },
      /conditions\.transaction: triggers look at events/,
    )
    check({ 'notify-config': { channels: ['some-id'] } }, /what some-id stands for is not in the file/)
    expect(reasons(read({ resources: {} }))).toEqual(['serverless.yml: there is no monitor in it'])
  })
})
