/** What is wrong with a name that somebody wants to sign in with; `undefined`: nothing. Users of wallets are called by their address. */
export function describeUsernameProblem(name: string): string | undefined {
  if (!/^[a-z][a-z0-9._-]{2,63}$/.test(name)) {
    return 'expected 3 to 64 of a to z, 0 to 9 and . _ -, beginning with a letter'
  }
  // The installation's own user, whose credential is its token.
  return name === 'bootstrap' ? 'expected another name: this one is the installation itself' : undefined
}
