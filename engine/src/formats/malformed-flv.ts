/** FLV bytes that cannot be read. */
export class MalformedFlv extends Error {
  override readonly name = 'MalformedFlv';
  readonly code = 'MalformedFlv';
}
