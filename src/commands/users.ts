import { describePasswordProblem, hashPassword } from '../accounts/passwords.ts'
import { describeUsernameProblem } from '../accounts/usernames.ts'
import { UserError } from '../errors.ts'
import { makeAdmin } from '../store/accounts.ts'
import { endSessions } from '../store/sessions.ts'
import { print } from './print.ts'
import { readPassword } from './read-password.ts'
import { withDatabase } from './with-database.ts'

/** `tocsin users create-admin <name>`. One that exists becomes an administrator, with the password given now. */
export async function createAdminCommand(name: string, options: { json?: boolean }): Promise<void> {
  const wrongName = describeUsernameProblem(name)
  if (wrongName !== undefined) throw new UserError(`This name cannot be used: ${wrongName}.`)
  const password = await readPassword()
  const wrong = describePasswordProblem(password)
  if (wrong !== undefined) throw new UserError(`This password cannot be used: ${wrong}.`)
  await withDatabase('users', async (db) => {
    const { id, is_new } = await makeAdmin(db, name, await hashPassword(password))
    if (!is_new) await endSessions(db, id)
    const said = is_new
      ? `${name} is an administrator.`
      : `${name} is an administrator, with a new password and no sessions.`
    print(options, { id, username: name, is_new }, [said])
  })
}
