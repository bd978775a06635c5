/** A query option that cannot be read, or that asks for what its collection does not have. */
export class MalformedQuery extends Error {
  readonly code = 'MalformedQuery';
  /** `$filter`, `$orderby`, … */
  readonly option: string;
  /** 1-based, in UTF-16 code units; undefined where the whole value is meant. */
  readonly position: number | undefined;
  constructor(option: string, reason: string, position?: number) {
    super(position === undefined ? reason : `${reason} (at character ${position})`);
    this.name = 'MalformedQuery';
    this.option = option;
    this.position = position;
  }
}
