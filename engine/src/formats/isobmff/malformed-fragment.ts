/** ISOBMFF bytes that cannot be read as a fragment or a CMAF header. */
export class MalformedFragment extends Error {
  override readonly name = 'MalformedFragment';
  readonly code = 'MalformedFragment';
}

/** Runs a parser; whatever a reader throws on hostile bytes becomes `MalformedFragment`. */
export function parsingFragment<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof MalformedFragment) throw error;
    throw new MalformedFragment(`${what} is cut short or broken`, { cause: error });
  }
}
