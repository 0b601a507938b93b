/** What people see of a chain: the symbol of its own currency, and its block explorer. From the chain definitions of viem. */
export type ChainDisplay = { currency: string; explorer: string }

/** By chain id: every known chain but the local ones, which nobody explores. */
export const chainDisplays: ReadonlyMap<number, ChainDisplay> = new Map(
  (
    [
      [1, 'ETH', 'https://etherscan.io'],
      [10, 'ETH', 'https://optimistic.etherscan.io'],
      [56, 'BNB', 'https://bscscan.com'],
      [100, 'XDAI', 'https://gnosisscan.io'],
      [137, 'POL', 'https://polygonscan.com'],
      [143, 'MON', 'https://monadscan.com'],
      [196, 'OKB', 'https://www.oklink.com/xlayer'],
      [1088, 'METIS', 'https://explorer.metis.io'],
      [1868, 'ETH', 'https://soneium.blockscout.com'],
      [2345, 'BTC', 'https://explorer.goat.network'],
      [2741, 'ETH', 'https://abscan.org'],
      [4326, 'ETH', 'https://mega.etherscan.io'],
      [5000, 'MNT', 'https://mantlescan.xyz'],
      [8453, 'ETH', 'https://basescan.org'],
      [42161, 'ETH', 'https://arbiscan.io'],
      [42220, 'CELO', 'https://celoscan.io'],
      [43114, 'AVAX', 'https://snowtrace.io'],
      [59144, 'ETH', 'https://lineascan.build'],
      [167000, 'ETH', 'https://taikoscan.io'],
      [534352, 'ETH', 'https://scrollscan.com'],
      [1187947933, 'CREDIT', 'https://skale-base-explorer.skalenodes.com'],

      [97, 'tBNB', 'https://testnet.bscscan.com'],
      [10143, 'MON', 'https://testnet.monadexplorer.com'],
      [10200, 'xDAI', 'https://blockscout.chiadochain.net'],
      [11124, 'ETH', 'https://sepolia.abscan.org'],
      [43113, 'AVAX', 'https://testnet.snowtrace.io'],
      [59141, 'ETH', 'https://sepolia.lineascan.build'],
      [59902, 'tMETIS', 'https://sepolia-explorer.metisdevops.link'],
      [80002, 'POL', 'https://amoy.polygonscan.com'],
      [84532, 'ETH', 'https://sepolia.basescan.org'],
      [421614, 'ETH', 'https://sepolia.arbiscan.io'],
      [534351, 'ETH', 'https://sepolia.scrollscan.com'],
      [11142220, 'CELO', 'https://celo-sepolia.blockscout.com'],
      [11155111, 'ETH', 'https://sepolia.etherscan.io'],
      [11155420, 'ETH', 'https://optimism-sepolia.blockscout.com'],
    ] as const
  ).map(([id, currency, explorer]) => [id, { currency, explorer }]),
)
