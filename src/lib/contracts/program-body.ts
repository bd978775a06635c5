import { z } from 'zod';
import { description, labels, moment, profileName, recordingWindow } from './fields.ts';

/** What is wanted of a program. */
export const ProgramBody = z
  .strictObject({
    description: description.default(''),
    start: z
      .union([z.enum(['now', 'manual']), moment])
      .default('now')
      .describe('when recording begins'),
    rewind: recordingWindow
      .nullable()
      .default(null)
      .describe('how far viewers can seek back; null: all that is kept'),
    keep: z
      .union([z.literal('all'), recordingWindow])
      .default('all')
      .describe('what stays in the recording; older fragments are deleted for good. all: up to 25 h'),
    protection: profileName
      .default('clear')
      .describe('the protection profile; `clear`, `aes`, `clearkey` and `drm` are built in'),
    publish: z
      .strictObject({
        when: z.union([z.enum(['firstFrame', 'manual']), moment]).default('firstFrame'),
        until: moment.nullable().default(null),
      })
      .default({ when: 'firstFrame', until: null }),
    labels: labels.default({}),
  })
  .meta({ id: 'ProgramBody' });

export const ProgramPatch = ProgramBody.partial().meta({
  id: 'ProgramPatch',
  description: 'JSON merge patch (RFC 7396)',
});
