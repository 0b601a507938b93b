import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PermanentError } from '../../../src/errors.ts'
import { readDataUri } from '../../../worker/files/read-data-uri.ts'

const json = '{"type":"https://eips.ethereum.org/EIPS/eip-8004#registration-v1","name":"Ä 50%"}'
const base64 = Buffer.from(json).toString('base64')
const read = (uri: string, bytesMax = 10_000) => Buffer.from(readDataUri(uri, bytesMax)).toString('utf8')

describe('readDataUri', () => {
  it.each([
    ['base64', `data:application/json;base64,${base64}`],
    ['base64 with a charset', `data:application/json;charset=utf-8;base64,${base64}`],
    ['base64 with a quoted charset', `data:application/json;charset="UTF-8";base64,${base64}`],
    ['base64 without a media type', `data:;base64,${base64}`],
    ['base64 in upper case', `DATA:application/json;BASE64,${base64}`],
    [
      'base64 of the URL alphabet, without padding',
      `data:;base64,${Buffer.from(json).toString('base64url')}`,
    ],
    ['base64 that is percent-encoded', `data:;base64,${encodeURIComponent(base64)}`],
    ['base64 in lines', `data:;base64,${base64.replaceAll(/(.{20})/g, '$1\r\n')}`],
    ['percent-encoded', `data:application/json,${encodeURIComponent(json)}`],
    ['percent-encoded with a charset', `data:application/json;charset=utf-8,${encodeURIComponent(json)}`],
    ['percent-encoded with utf8', `data:application/json;utf8,${encodeURIComponent(json)}`],
    ['plain: # begins no fragment and a lone % stands for itself', `data:application/json,${json}`],
    ['plain with utf8', `data:application/json;utf8,${json}`],
  ])('reads %s', (_, uri) => {
    expect(read(uri)).toBe(json)
  })

  it('reads an empty file', () => {
    expect(read('data:,')).toBe('')
    expect(read('data:;base64,')).toBe('')
  })

  it.each([
    ['data:application/json;base64', 'no comma'],
    [`data:${'x'.repeat(2000)},{}`, 'no comma'],
    ['data:;base64,@@@@', 'cannot be read as base64'],
    ['data:;base64,AAAAA', 'cannot be read as base64'],
    ['data:;base64,AA=A', 'cannot be read as base64'],
    ['data:application/json;charset=iso-8859-1,{}', 'charset iso-8859-1'],
    ['data:application/json;enc=gzip;base64,AAAA', 'compressed (enc=gzip)'],
  ])('refuses %s', (uri, message) => {
    expect(() => read(uri)).toThrow(PermanentError)
    expect(() => read(uri)).toThrow(message)
  })

  it('holds the limit on the decoded bytes, exactly', () => {
    const of = (length: number) => Buffer.alloc(length, 'a')
    for (const encode of [
      (bytes: Buffer) => `data:;base64,${bytes.toString('base64')}`,
      (bytes: Buffer) => `data:,${bytes.toString('latin1')}`,
      (bytes: Buffer) => `data:,${'%61'.repeat(bytes.length)}`,
    ]) {
      expect(read(encode(of(100)), 100)).toHaveLength(100)
      expect(() => read(encode(of(101)), 100)).toThrow('more than 100 bytes')
    }
  })

  it('gives back any bytes that base64 or percent-encoding carries', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const percent = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
        expect(readDataUri(`data:,${percent}`, 200)).toEqual(bytes)
        expect(readDataUri(`data:;base64,${Buffer.from(bytes).toString('base64')}`, 200)).toEqual(bytes)
      }),
    )
  })
})
