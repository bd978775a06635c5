/** A decoder configuration that cannot be read, or that describes something we do not carry. */
export class MalformedCodecConfiguration extends Error {
  override readonly name = 'MalformedCodecConfiguration';
  readonly code = 'MalformedCodecConfiguration';
}

/** Runs a parser; whatever a reader throws on hostile bytes becomes `MalformedCodecConfiguration`. */
export function parsingConfiguration<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof MalformedCodecConfiguration) throw error;
    throw new MalformedCodecConfiguration(`${what} is cut short or broken`, { cause: error });
  }
}
