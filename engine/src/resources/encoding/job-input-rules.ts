import type { z } from 'zod';
import type * as contract from '../../contract/encoding.ts';
import { parseIsoDurationMs } from '../iso-duration.ts';
import type { FieldProblems } from './field-problem.ts';

export type JobInput = z.output<typeof contract.JobInput>;
type Clip = z.output<typeof contract.JobInputClip>;
type InputDefinition = z.output<typeof contract.InputDefinition>;
type TrackDescriptor = z.output<typeof contract.TrackDescriptor>;

/** Reference §1.5. */
const INPUTS_MAX = 50;
const CLIPS_PER_JOB_MAX = 100;
const FILES_PER_ASSET_MAX = 10;
/** Specification of JobInputClip.files and JobInputHttp.baseUri. */
const URI_LENGTH_MAX = 4000;

export interface PlacedClip {
  readonly clip: Clip;
  /** Where it stands in the request. */
  readonly at: string;
}

/** The clips of a job's input in order, whatever they are wrapped in. */
export function clipsOf(input: JobInput, at = 'properties.input'): readonly PlacedClip[] {
  if (
    input['@odata.type'] !== '#Microsoft.Media.JobInputs' &&
    input['@odata.type'] !== '#Microsoft.Media.JobInputSequence'
  ) {
    return [{ clip: input, at }];
  }
  return (input.inputs ?? []).flatMap((inner, index) => clipsOf(inner, `${at}.inputs[${index}]`));
}

/** Assets that a job reads. */
export function inputAssetNames(input: JobInput): readonly string[] {
  return clipsOf(input).flatMap(({ clip }) => ('assetName' in clip ? [clip.assetName] : []));
}

/** What the service refuses in an input; `overlayLabels` are those that the presets of the transform refer to. */
export function* inputProblems(input: JobInput, overlayLabels: readonly string[]): FieldProblems {
  const at = 'properties.input';
  yield* emptyLists(input, at);
  const clips = clipsOf(input);
  if (clips.length > CLIPS_PER_JOB_MAX) {
    yield { field: at, reason: `it has ${clips.length} clips, at most ${CLIPS_PER_JOB_MAX} are allowed` };
  }
  for (const placed of clips) yield* clipProblems(placed);
  yield* labelProblems(clips, overlayLabels, at);
}

function* emptyLists(input: JobInput, at: string): FieldProblems {
  if (!('inputs' in input) && !isList(input)) return;
  const inputs = isList(input) ? (input.inputs ?? []) : [];
  if (inputs.length === 0) yield { field: `${at}.inputs`, reason: 'it is empty' };
  if (input['@odata.type'] === '#Microsoft.Media.JobInputs' && inputs.length > INPUTS_MAX) {
    yield {
      field: `${at}.inputs`,
      reason: `it has ${inputs.length} items, at most ${INPUTS_MAX} are allowed`,
    };
  }
  for (const [index, inner] of inputs.entries()) yield* emptyLists(inner, `${at}.inputs[${index}]`);
}

const isList = (input: JobInput) =>
  input['@odata.type'] === '#Microsoft.Media.JobInputs' ||
  input['@odata.type'] === '#Microsoft.Media.JobInputSequence';

function* clipProblems({ clip, at }: PlacedClip): FieldProblems {
  switch (clip['@odata.type']) {
    case '#Microsoft.Media.JobInputClip':
      yield {
        field: `${at}.@odata.type`,
        reason: 'JobInputClip is what several inputs have in common, not an input',
      };
      break;
    case '#Microsoft.Media.JobInputAsset':
      yield* assetFileProblems(clip.files ?? [], `${at}.files`);
      break;
    case '#Microsoft.Media.JobInputHttp':
      yield* httpProblems(clip, at);
      break;
  }
  yield* timeProblems(clip, at);
  for (const [index, definition] of (clip.inputDefinitions ?? []).entries()) {
    yield* definitionProblems(definition, `${at}.inputDefinitions[${index}]`);
  }
}

function* assetFileProblems(files: readonly string[], field: string): FieldProblems {
  if (files.length > FILES_PER_ASSET_MAX) {
    yield { field, reason: `it has ${files.length} items, at most ${FILES_PER_ASSET_MAX} are allowed` };
  }
  for (const [index, file] of files.entries()) {
    if (file === '' || file.length > URI_LENGTH_MAX) {
      const reason = `it has ${file.length} characters, 1 to ${URI_LENGTH_MAX} are allowed`;
      yield { field: `${field}[${index}]`, reason };
    }
  }
}

/** One file over HTTPS (reference §5.2). */
function* httpProblems(clip: z.output<typeof contract.JobInputHttp>, at: string): FieldProblems {
  const { baseUri } = clip;
  const [file, ...others] = clip.files ?? [];
  if (baseUri != null) yield* uriProblems(baseUri, `${at}.baseUri`);
  if (file === undefined) {
    yield { field: `${at}.files`, reason: 'it is empty: the one file to read is required' };
    return;
  }
  if (others.length > 0) {
    yield {
      field: `${at}.files`,
      reason: `it has ${others.length + 1} items, 1 is allowed over HTTPS`,
    };
  }
  if (file === '' || file.length > URI_LENGTH_MAX) {
    const reason = `it has ${file.length} characters, 1 to ${URI_LENGTH_MAX} are allowed`;
    yield { field: `${at}.files[0]`, reason };
  }
  if (baseUri == null) yield* uriProblems(file, `${at}.files[0]`);
}

function* uriProblems(uri: string, field: string): FieldProblems {
  if (uri.length > URI_LENGTH_MAX) {
    yield { field, reason: `it has ${uri.length} characters, at most ${URI_LENGTH_MAX} are allowed` };
  }
  // The address itself may hold a signature: it is not repeated.
  if (!URL.canParse(uri) || new URL(uri).protocol !== 'https:') {
    yield { field, reason: 'a complete https address is expected' };
  }
}

function* timeProblems({ start, end }: Clip, at: string): FieldProblems {
  if (start == null || end == null) return;
  if (start['@odata.type'] !== end['@odata.type']) {
    yield { field: `${at}.end`, reason: 'it is of another type than the start' };
  }
  if (millisecondsOf(end) <= millisecondsOf(start)) {
    yield { field: `${at}.end`, reason: `${end.time} is not after the start, ${start.time}` };
  }
}

function millisecondsOf(time: z.output<typeof contract.ClipTime>): number {
  return time['@odata.type'] === '#Microsoft.Media.UtcClipTime'
    ? Date.parse(time.time)
    : (parseIsoDurationMs(time.time) ?? 0);
}

function* definitionProblems(definition: InputDefinition, at: string): FieldProblems {
  if (definition['@odata.type'] === '#Microsoft.Media.InputFile' && !definition.filename) {
    yield { field: `${at}.filename`, reason: 'it is required' };
  }
  for (const [index, track] of (definition.includedTracks ?? []).entries()) {
    yield* trackProblems(track, `${at}.includedTracks[${index}]`);
  }
}

function* trackProblems(track: TrackDescriptor, at: string): FieldProblems {
  if ('trackId' in track && track.trackId < 0) {
    yield { field: `${at}.trackId`, reason: `${track.trackId} is out of range, at least 0 is allowed` };
  }
  if (!('attribute' in track)) return;
  const { attribute, filter, filterValue } = track;
  const field = `${at}.filterValue`;
  if (track['@odata.type'] === '#Microsoft.Media.SelectVideoTrackByAttribute' && attribute === 'Language') {
    yield { field: `${at}.attribute`, reason: 'Language is not supported for video tracks' };
  }
  if (filter === 'ValueEquals' && !filterValue) {
    yield { field, reason: 'it is required with the filter ValueEquals' };
  }
  if (filter === 'ValueEquals' && attribute === 'Bitrate' && !/^\d{1,10}$/.test(filterValue ?? '')) {
    yield { field, reason: `bits per second such as 1500000 are expected, not '${filterValue}'` };
  }
}

/** What overlays refer to is there, once, and is one file. */
function* labelProblems(
  clips: readonly PlacedClip[],
  overlayLabels: readonly string[],
  at: string,
): FieldProblems {
  for (const { clip, at: place } of clips) {
    if (clip.label != null && clips.some((other) => other.clip !== clip && other.clip.label === clip.label)) {
      yield { field: `${place}.label`, reason: `'${clip.label}' is the label of several inputs` };
    }
  }
  for (const label of overlayLabels) {
    const overlay = clips.find(({ clip }) => clip.label === label);
    if (overlay === undefined) {
      yield {
        field: at,
        reason: `no input has the label '${label}', which an overlay of the transform uses`,
      };
      continue;
    }
    const count = overlay.clip.files?.length ?? 0;
    if (count > 1) {
      yield { field: `${overlay.at}.files`, reason: `it has ${count} items, an overlay is exactly one file` };
    }
  }
  if (overlayLabels.length > 0 && clips.every(({ clip }) => overlayLabels.includes(clip.label ?? ''))) {
    yield { field: at, reason: 'there are overlays and nothing that they could be put over' };
  }
}

/** Query strings may be signatures: they are not shown (specification of JobInputHttp). */
export function withoutQueries(input: JobInput): JobInput {
  if (input['@odata.type'] === '#Microsoft.Media.JobInputs') {
    return {
      ...input,
      inputs: input.inputs?.map((inner) => {
        const shown = withoutQueries(inner);
        return shown['@odata.type'] === '#Microsoft.Media.JobInputs' ? inner : shown;
      }),
    };
  }
  if (input['@odata.type'] === '#Microsoft.Media.JobInputSequence') {
    return { ...input, inputs: input.inputs?.map(clipWithoutQueries) };
  }
  return clipWithoutQueries(input);
}

function clipWithoutQueries(clip: Clip): Clip {
  if (clip['@odata.type'] !== '#Microsoft.Media.JobInputHttp') return clip;
  return {
    ...clip,
    ...(clip.baseUri == null ? {} : { baseUri: beforeQuery(clip.baseUri) }),
    files: clip.files?.map(beforeQuery),
  };
}

const beforeQuery = (uri: string): string => uri.replace(/[?#].*$/s, '');
