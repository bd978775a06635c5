/** A reader was asked for more than there is. Parsers turn it into their own error, with this as the cause. */
export class UnexpectedEndOfData extends Error {
  override readonly name = 'UnexpectedEndOfData';
  readonly code = 'UnexpectedEndOfData';

  constructor(position: { readonly offset: number; readonly wanted: number; readonly had: number }) {
    super(`wanted ${position.wanted} at ${position.offset}, had ${position.had}`);
  }
}
