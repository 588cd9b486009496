/** A failure that the user can mend: its message is one line that says what is wrong and what to do. */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}
