import { expect, it } from 'vitest'
import { coversEndpoint, isPrivateWay } from '../../../src/mcp-token-endpoint.ts'

it.each([
  ['https://a.example', 'https://a.example/mcp', true],
  ['https://a.example/', 'https://A.example:443/any/path?key=1', true],
  ['https://a.example/mcp', 'https://a.example/mcp#x', true],
  ['https://a.example/mcp', 'https://a.example/mcp/', false],
  ['https://a.example/mcp', 'https://a.example/mcp?agent=2', false],
  ['https://a.example/one', 'https://a.example/one/../two', false],
  ['https://a.example/one', 'https://a.example/one/..%2ftwo', false],
  ['https://a.example/one', 'https://a.example/one/..;/two', false],
  ['https://a.example/?agent=1', 'https://a.example/?agent=2', false],
  ['https://a.example', 'http://a.example', false],
  ['https://a.example', 'https://a.example:8443', false],
  ['https://a.example', 'https://a.example.evil.example', false],
  ['https://a.example', 'https://sub.a.example', false],
  ['https://a.example', 'https://a.example@evil.example', false],
  ['https://a.example', 'https://evil.example/https://a.example', false],
])('a token for %s may go to %s: %s', (bound, endpoint, expected) => {
  expect(coversEndpoint(bound, endpoint)).toBe(expected)
})

it.each([
  ['https://a.example', true],
  ['http://a.example', false],
  ['http://93.184.216.34', false],
  ['http://localhost:3000', true],
  ['http://localhost.evil.example', false],
  ['http://127.0.0.1:3000', true],
  ['http://2130706433', true],
  ['http://10.1.2.3', true],
  ['http://[::1]:3000', true],
  ['http://[fd00::1]', true],
  ['http://[2606:4700::1]', false],
  ['http://169.254.169.254', false],
])('a token sent to %s is not read on the way: %s', (endpoint, expected) => {
  expect(isPrivateWay(endpoint)).toBe(expected)
})
