import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PermanentError, RetryableError } from '../../../src/errors.ts'
import { blockKey } from '../../../worker/files/read-car.ts'
import { readUnixfsFile } from '../../../worker/files/read-unixfs-file.ts'
import { craftNode, type Dag, importFiles, inlineCid, rawCid } from './dag.ts'

const bytesMax = 1_048_576
const bytesOf = (length: number) =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) % 251)
const emptyDag = (): Dag => ({ root: inlineCid(new Uint8Array()), cids: [], blocks: new Map() })
const read = (dag: Dag, path: string[] = [], root = dag.root) =>
  readUnixfsFile({ cid: root, path }, dag.blocks, bytesMax)
const failure = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it was expected to fail')
}

describe('readUnixfsFile', () => {
  it('gives back any file however it was cut into blocks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 16, max: 3000 }),
        fc.integer({ min: 2, max: 10 }),
        fc.constantFrom<0 | 1>(0, 1),
        fc.boolean(),
        async (content, chunkSize, children, cidVersion, rawLeaves) => {
          const dag = await importFiles([{ path: 'f', content }], {
            chunkSize,
            children,
            cidVersion,
            rawLeaves,
          })
          expect(Buffer.from(await read(dag)).equals(content)).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('reads a file of exactly the limit, and refuses one byte more by what its root says', async () => {
    const exact = await importFiles([{ path: 'f', content: bytesOf(bytesMax) }])
    expect(await read(exact)).toHaveLength(bytesMax)
    const more = await importFiles([{ path: 'f', content: bytesOf(bytesMax + 1) }])
    const rootOnly = new Map([[blockKey(more.root), more.blocks.get(blockKey(more.root)) as Uint8Array]])
    const error = await failure(read({ ...more, blocks: rootOnly }))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain(`larger than ${bytesMax} bytes`)
  })

  it('reads a file that repeats one block', async () => {
    const dag = await importFiles([{ path: 'f', content: new Uint8Array(1_000_000) }], { chunkSize: 1000 })
    expect(dag.blocks.size).toBeLessThan(20)
    expect(await read(dag)).toHaveLength(1_000_000)
  })

  it('follows a path through directories', async () => {
    const dag = await importFiles([
      { path: 'a/b/agent card.json', content: Buffer.from('{"a":1}') },
      { path: 'a/other', content: Buffer.from('no') },
    ])
    expect(Buffer.from(await read(dag, ['a', 'b', 'agent card.json'])).toString()).toBe('{"a":1}')
  })

  it('follows a path through a sharded directory, with the shards on the way only', async () => {
    const files = Array.from({ length: 120 }, (_, index) => ({
      path: `d/file-${index}`,
      content: Buffer.from(`content ${index}`),
    }))
    const dag = await importFiles(files, { shards: true })
    for (const index of [0, 7, 77, 119]) {
      expect(Buffer.from(await read(dag, ['d', `file-${index}`])).toString()).toBe(`content ${index}`)
    }
    expect((await failure(read(dag, ['d', 'file-120']))).message).toContain('no "file-120" in the directory')

    // What is not needed may be missing; what is needed may not.
    const target = await rawCid(Buffer.from('content 77'))
    let needed = 0
    for (const cid of dag.cids) {
      const without = new Map(dag.blocks)
      without.delete(blockKey(cid))
      const found = await read({ ...dag, blocks: without }, ['d', 'file-77']).catch((error) => error)
      if (found instanceof Error) {
        expect(found).toBeInstanceOf(RetryableError)
        needed += 1
      } else expect(Buffer.from(found).toString()).toBe('content 77')
      if (cid.equals(target)) expect(found).toBeInstanceOf(Error)
    }
    expect(needed).toBeGreaterThanOrEqual(2)
    expect(needed).toBeLessThan(10)
  })

  it('tells a missing block from a wrong file: deep inside a file, without an unhandled rejection', async () => {
    const dag = await importFiles([{ path: 'f', content: bytesOf(60_000) }], { chunkSize: 1000, children: 4 })
    for (const cid of dag.cids) {
      const without = new Map(dag.blocks)
      without.delete(blockKey(cid))
      const error = await failure(read({ ...dag, blocks: without }))
      expect(error).toBeInstanceOf(RetryableError)
      expect(error.message).toMatch(/^block \w+ is missing$/)
    }
  })

  it('reads what a CID holds itself, and links to such CIDs', async () => {
    const dag = emptyDag()
    const node = await craftNode(
      {
        blockSizes: [2, 3],
        links: [{ cid: inlineCid(Buffer.from('ab')) }, { cid: inlineCid(Buffer.from('cde')) }],
      },
      dag,
    )
    expect(Buffer.from(await read(dag, [], node.cid)).toString()).toBe('abcde')
    const inline = await craftNode({ data: Buffer.from('hello'), fileSize: 5 })
    expect(Buffer.from(await read(dag, [], inlineCid(inline.bytes, 0x70))).toString()).toBe('hello')
  })

  it.each([
    ['a directory', { type: 'directory' }, 'is a directory'],
    ['a symlink', { type: 'symlink', data: Buffer.from('/etc/passwd') }, 'is a symlink'],
    [
      'a file that says it is smaller than it is',
      { data: Buffer.from('x'), blockSizes: [1], links: 'two' },
      'another size',
    ],
    [
      'a file that says it is larger than it is',
      { data: Buffer.from('x'), blockSizes: [9, 9], links: 'two' },
      'another size',
    ],
    ['a file that says it is huge', { blockSizes: [2 ** 50], links: [] }, 'larger than'],
  ] as const)('refuses %s for good', async (_, node, message) => {
    const dag = emptyDag()
    const leaf = inlineCid(Buffer.from('yy'))
    const links = 'links' in node && node.links === 'two' ? [{ cid: leaf }, { cid: leaf }] : []
    const { cid } = await craftNode({ ...node, links }, dag)
    const error = await failure(read(dag, [], cid))
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain(message)
  })

  it.each([
    ['garbage', Buffer.from([0xff, 0xff, 0xff])],
    ['dag-pb without UnixFS', Buffer.from([])],
  ])('refuses %s for good', async (_, bytes) => {
    const dag = emptyDag()
    const cid = await rawCid(bytes, 0x70)
    dag.blocks.set(blockKey(cid), bytes)
    expect(await failure(read(dag, [], cid))).toBeInstanceOf(PermanentError)
  })

  it('ends soon with a node that links to itself a hundred times over thirty levels, and keeps the event loop going', async () => {
    const dag = emptyDag()
    let { cid } = await craftNode({ data: new Uint8Array() }, dag)
    for (let level = 0; level < 30; level += 1) {
      const links = Array.from({ length: 100 }, () => ({ cid }))
      cid = (await craftNode({ blockSizes: links.map(() => 0), links }, dag)).cid
    }
    let turns = 0
    const timer = setInterval(() => {
      turns += 1
    }, 1)
    const startedMs = performance.now()
    const error = await failure(read(dag, [], cid)).finally(() => clearInterval(timer))
    expect(turns).toBeGreaterThan(5)
    expect(error).toBeInstanceOf(PermanentError)
    expect(error.message).toContain('takes more than')
    expect(performance.now() - startedMs).toBeLessThan(2000)
  })

  it('ends soon with a chain of ten thousand nodes', async () => {
    const dag = emptyDag()
    let { cid } = await craftNode({ data: Buffer.from('x') }, dag)
    for (let level = 0; level < 10_000; level += 1) {
      cid = (await craftNode({ blockSizes: [1], links: [{ cid }] }, dag)).cid
    }
    expect((await failure(read(dag, [], cid))).message).toContain('takes more than')
  })

  it('ends soon with a large block that is linked again and again', async () => {
    const dag = emptyDag()
    const filler = Array.from({ length: 20_000 }, () => ({ cid: inlineCid(new Uint8Array()) }))
    const large = await craftNode({ blockSizes: filler.map(() => 0), links: filler }, dag)
    const links = Array.from({ length: 1000 }, () => ({ cid: large.cid }))
    const { cid } = await craftNode({ blockSizes: links.map(() => 0), links }, dag)
    expect((await failure(read(dag, [], cid))).message).toContain('takes more than')
  })

  it('ends with sharded directories whose names all have one hash, or shards in a circle of names', async () => {
    const dag = emptyDag()
    let shard = await craftNode({ type: 'shard', fanout: 1, links: [] }, dag)
    for (let level = 0; level < 3000; level += 1) {
      const links = [
        { cid: shard.cid, name: '0' },
        { cid: shard.cid, name: '0' },
      ]
      shard = await craftNode({ type: 'shard', fanout: 1, links }, dag)
    }
    expect((await failure(read(dag, ['x'], shard.cid))).message).toContain('takes more than')
  })
})
