/** The codes of job errors that a plan can be refused with. */
export type RefusalCode = 'ConfigurationUnsupported' | 'ContentUnsupported' | 'ContentMalformed';

/** What cannot be encoded, in words for whoever submitted the job. Thrown inside this folder, returned by its doors. */
export class Unplannable extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.name = 'Unplannable';
    this.code = code;
  }
}

export const notConfigurable = (message: string) => new Unplannable('ConfigurationUnsupported', message);
export const notSupported = (message: string) => new Unplannable('ContentUnsupported', message);
