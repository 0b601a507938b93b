import { describe, expect, it } from 'vitest'
import { type Blocks, blockKey, readCar } from '../../../worker/files/read-car.ts'
import { carOf, carOfDag, importFiles, inPieces, rawCid } from './dag.ts'

const content = Uint8Array.from({ length: 50_000 }, (_, index) => (index * 7) % 256)
const makeDag = () => importFiles([{ path: 'f', content }], { chunkSize: 4000, children: 5 })

describe('readCar', () => {
  it.each([1, 7, 1000, 100_000])(
    'takes all blocks from a CAR that comes in pieces of %d bytes',
    async (size) => {
      const dag = await makeDag()
      const blocks: Blocks = new Map()
      await readCar(inPieces(await carOfDag(dag), size), blocks)
      expect(new Set(blocks.keys())).toEqual(new Set(dag.blocks.keys()))
      for (const [key, bytes] of blocks)
        expect(Buffer.from(bytes).equals(dag.blocks.get(key) ?? Buffer.of())).toBe(true)
    },
  )

  it('takes no block that is not what its CID says, wherever a bit is flipped', async () => {
    const dag = await makeDag()
    const car = await carOfDag(dag)
    for (let at = 0; at < car.length; at += 997) {
      const flipped = Buffer.from(car)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      const blocks: Blocks = new Map()
      await readCar(inPieces(flipped), blocks).catch(() => {})
      for (const [key, bytes] of blocks) {
        const known = dag.blocks.get(key)
        if (known !== undefined) expect(Buffer.from(bytes).equals(known)).toBe(true)
      }
    }
  })

  it('fails at the end of a CAR that was cut off, and keeps the blocks from before', async () => {
    const dag = await makeDag()
    const car = await carOfDag(dag)
    const blocks: Blocks = new Map()
    await expect(readCar(inPieces(car.subarray(0, car.length - 10)), blocks)).rejects.toThrow()
    expect(blocks.has(blockKey(dag.root))).toBe(true)
    expect(blocks.size).toBe(dag.blocks.size - 1)
  })

  it('refuses a CAR of more blocks than an honest one has', async () => {
    const block = { cid: await rawCid(Buffer.from('x')), bytes: Buffer.from('x') }
    const car = await carOf([block.cid], Array(5000).fill(block))
    await expect(readCar(inPieces(car, 50_000), new Map())).rejects.toThrow('more than 4096 blocks')
  })

  it.each([
    ['nothing', Buffer.of()],
    ['HTML', Buffer.from('<!doctype html><html></html>')],
    ['zeros', Buffer.alloc(1000)],
    ['a length without end', Buffer.alloc(1000, 0xff)],
    ['a header of nested lists', Buffer.concat([Buffer.of(0x80, 0x80, 0x02), Buffer.alloc(32_768, 0x81)])],
    ['version 2', Buffer.concat([Buffer.from('0aa16776657273696f6e02', 'hex'), Buffer.alloc(40)])],
  ])('refuses %s', async (_, bytes) => {
    await expect(readCar(inPieces(bytes), new Map())).rejects.toThrow()
  })
})
