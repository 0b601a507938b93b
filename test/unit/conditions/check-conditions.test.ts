import { describe, expect, test } from 'vitest'
import { checkConditions } from '../../../src/conditions/check-conditions.ts'

const address = '0x5FbDB2315678afecb367f032d93F642f64180aa3'

describe('what is left out', () => {
  test('the field is the first one of the type that an event of the trigger fills', () => {
    const fieldOf = (
      registry: 'identity' | 'reputation' | 'validation',
      condition_type: string,
      value: unknown,
    ) => checkConditions(registry, [{ condition_type, value }]).conditions[0]?.field
    expect(fieldOf('reputation', 'tag_equals', 'x')).toBe('tag1')
    expect(fieldOf('validation', 'tag_equals', 'x')).toBe('tag')
    expect(fieldOf('reputation', 'file_uri_exists', undefined)).toBe('file_uri')
    expect(fieldOf('identity', 'file_uri_exists', undefined)).toBe('token_uri')
    expect(fieldOf('validation', 'file_uri_exists', undefined)).toBe('request_uri')
    const responses = checkConditions('validation', [
      { condition_type: 'file_uri_exists' },
      { condition_type: 'event_type_equals', value: 'ValidationResponse' },
    ])
    expect(responses.conditions[0]).toEqual({
      condition_type: 'file_uri_exists',
      field: 'response_uri',
      operator: 'exists',
      value: true,
      config: {},
    })
  })

  test('a threshold has to say which way it goes', () => {
    expect(
      checkConditions('reputation', [{ condition_type: 'score_threshold', value: 70 }]).problems,
    ).toEqual([
      {
        path: [0, 'operator'],
        message: 'expected one of <, <=, >, >=, =, != for score_threshold; found none',
      },
    ])
  })
})

test('numbers become decimal strings and addresses lower case', () => {
  const { conditions, problems } = checkConditions('reputation', [
    { condition_type: 'agent_id_equals', operator: 'in', value: [0, '007', '9007199254740993'] },
    { condition_type: 'score_threshold', operator: '<', value: '-070.50' },
    { condition_type: 'score_threshold', operator: '>', value: -99.5 },
    { condition_type: 'client_whitelist', value: [address] },
  ])
  expect(problems).toEqual([])
  expect(conditions.map(({ value }) => value)).toEqual([
    ['0', '7', '9007199254740993'],
    '-70.5',
    '-99.5',
    [address.toLowerCase()],
  ])
})

describe('what is refused', () => {
  test.each<[string, Parameters<typeof checkConditions>, (string | number)[], RegExp]>([
    [
      'unknown type',
      ['identity', [{ condition_type: 'toString' }]],
      [0, 'condition_type'],
      /expected one of event_type_equals, .*; found "toString"/,
    ],
    [
      'field of another type',
      ['reputation', [{ condition_type: 'tag_equals', field: 'score', value: 'x' }]],
      [0, 'field'],
      /expected one of tag1, tag2, tag for tag_equals; found "score"/,
    ],
    [
      'unknown operator',
      ['reputation', [{ condition_type: 'tag_equals', operator: '~', value: 'x' }]],
      [0, 'operator'],
      /expected one of =, !=, in, not_in, contains, exists for tag_equals; found "~"/,
    ],
    [
      'operator of another type',
      ['reputation', [{ condition_type: 'agent_id_equals', operator: '<', value: 1 }]],
      [0, 'operator'],
      /expected one of =, !=, in, not_in for agent_id_equals/,
    ],
    [
      'type without a field in the registry',
      ['identity', [{ condition_type: 'score_threshold', operator: '<', value: 1 }]],
      [0, 'condition_type'],
      /no Registered or MetadataSet or URIUpdated or Transfer event fills score\. They fill agent_id, owner, previous_owner, token_uri, updated_by, metadata_key, metadata_value$/,
    ],
    [
      'field that the event type does not fill',
      [
        'reputation',
        [
          { condition_type: 'tag_equals', field: 'tag1', value: 'x' },
          { condition_type: 'event_type_equals', value: 'FeedbackRevoked' },
        ],
      ],
      [0, 'field'],
      /no FeedbackRevoked event fills tag1\. They fill agent_id, client_address, feedback_index$/,
    ],
    [
      'event type of another registry',
      ['identity', [{ condition_type: 'event_type_equals', value: 'NewFeedback' }]],
      [0, 'value'],
      /an event type of the identity registry \(Registered, MetadataSet, URIUpdated, Transfer\); found "NewFeedback"/,
    ],
    [
      'event types that exclude each other',
      [
        'identity',
        [
          { condition_type: 'event_type_equals', value: 'Transfer' },
          { condition_type: 'event_type_equals', operator: '!=', value: 'Transfer' },
        ],
      ],
      [1, 'value'],
      /could never fire: the conditions before leave only Transfer/,
    ],
    [
      'negative id',
      ['reputation', [{ condition_type: 'agent_id_equals', value: -1 }]],
      [0, 'value'],
      /a whole number from 0.*; found -1/,
    ],
    [
      'fraction as id',
      ['reputation', [{ condition_type: 'agent_id_equals', value: 1.5 }]],
      [0, 'value'],
      /a whole number/,
    ],
    [
      'id that JSON has rounded',
      ['reputation', [{ condition_type: 'agent_id_equals', value: 2 ** 53 }]],
      [0, 'value'],
      /as a string if it is larger/,
    ],
    [
      'id of more digits than a uint256',
      ['reputation', [{ condition_type: 'agent_id_equals', value: '1'.repeat(79) }]],
      [0, 'value'],
      /a whole number/,
    ],
    [
      'number that JSON has rounded',
      ['reputation', [{ condition_type: 'score_threshold', operator: '<', value: 0.1 + 0.2 }]],
      [0, 'value'],
      /as a string if it has more than 15 digits/,
    ],
    [
      'exponent',
      ['reputation', [{ condition_type: 'score_threshold', operator: '<', value: '1e3' }]],
      [0, 'value'],
      /a number, such as 70/,
    ],
    [
      'no number',
      ['reputation', [{ condition_type: 'score_threshold', operator: '<', value: null }]],
      [0, 'value'],
      /found null/,
    ],
    [
      'short address',
      ['reputation', [{ condition_type: 'client_whitelist', value: [address, '0x12'] }]],
      [0, 'value', 1],
      /an address \(0x and 40 hex digits\); found "0x12"/,
    ],
    [
      'single value for a list',
      ['reputation', [{ condition_type: 'client_whitelist', value: address }]],
      [0, 'value'],
      /a list of 1 to 1000 values for the operator in/,
    ],
    [
      'empty list',
      ['reputation', [{ condition_type: 'client_whitelist', value: [] }]],
      [0, 'value'],
      /a list of 1 to 1000/,
    ],
    [
      'long list',
      ['reputation', [{ condition_type: 'agent_id_equals', operator: 'in', value: Array(1001).fill(1) }]],
      [0, 'value'],
      /a list of 1 to 1000/,
    ],
    [
      'list for a single value',
      ['reputation', [{ condition_type: 'agent_id_equals', value: [1] }]],
      [0, 'value'],
      /A list needs the operator in or not_in/,
    ],
    [
      'no value',
      ['reputation', [{ condition_type: 'tag_equals' }]],
      [0, 'value'],
      /a text of at most 1000 characters; found nothing/,
    ],
    [
      'long text',
      ['reputation', [{ condition_type: 'tag_equals', value: 'x'.repeat(1001) }]],
      [0, 'value'],
      /a text of at most 1000/,
    ],
    [
      'empty part',
      ['reputation', [{ condition_type: 'tag_equals', operator: 'contains', value: '' }]],
      [0, 'value'],
      /at least one character/,
    ],
    [
      'exists with a text',
      ['reputation', [{ condition_type: 'file_uri_exists', value: 'yes' }]],
      [0, 'value'],
      /expected true or false; found "yes"/,
    ],
  ])('%s', (_, [registry, conditions], path, message) => {
    const { problems } = checkConditions(registry, conditions)
    expect(problems).toEqual([{ path, message: expect.stringMatching(message) }])
  })
})

test('every condition that is wrong is listed, in order, also past one that could not be read', () => {
  const { problems } = checkConditions('reputation', [
    { condition_type: 'agent_id_equals', value: 'x' },
    undefined,
    { condition_type: 'event_type_equals', value: 'Nothing' },
    { condition_type: 'tag_equals', value: 'x' },
    { condition_type: 'nothing' },
  ])
  expect(problems.map(({ path }) => path)).toEqual([
    [0, 'value'],
    [2, 'value'],
    [4, 'condition_type'],
  ])
})
