import { TICKS_PER_SECOND } from '../time/timescale.ts';
import {
  type ContentProtection,
  contentProtectionLines,
  protectionNamespaces,
} from './content-protection.ts';
import { type AttributeValue, escapeXml, xmlAttributes } from './xml-attributes.ts';

/** ISO/IEC 23009-1 documents, as far as we write them. Times are ticks. */
export interface Mpd {
  readonly profiles: readonly string[];
  readonly presentation:
    | {
        readonly type: 'dynamic';
        readonly availabilityStartTimeMs: number;
        readonly publishTimeMs: number;
        readonly minimumUpdatePeriodTicks: number;
        /** Undefined: the end is not known. */
        readonly durationTicks: number | undefined;
        /** Where it is reloaded from instead. */
        readonly locationUrl: string | undefined;
        readonly timeShiftBufferDepthTicks: number | undefined;
        readonly suggestedPresentationDelayTicks: number;
        /** UTCTiming, urn:mpeg:dash:utc:http-iso:2014 */
        readonly utcTimingUrl: string | undefined;
      }
    | { readonly type: 'static'; readonly durationTicks: number };
  readonly minBufferTimeTicks: number;
  readonly maxSegmentDurationTicks: number | undefined;
  readonly periods: readonly Period[];
}

export interface Period {
  readonly id: string;
  readonly startTicks: number;
  readonly adaptationSets: readonly AdaptationSet[];
}

export interface AdaptationSet {
  readonly id: number;
  readonly contentType: 'video' | 'audio' | 'text';
  /** RFC 5646 */
  readonly language: string | undefined;
  readonly label: string | undefined;
  /** urn:mpeg:dash:role:2011, of Role and of Accessibility. */
  readonly roles: readonly string[];
  readonly accessibility: readonly string[];
  readonly protections: readonly ContentProtection[];
  /** Ids of others that players may switch to as if they were this one. */
  readonly switchableWith: readonly number[];
  readonly representations: readonly Representation[];
}

export interface Representation {
  readonly id: string;
  readonly bandwidthBps: number;
  readonly codecs: string;
  readonly video:
    | { readonly width: number; readonly height: number; readonly frameRate: number | undefined }
    | undefined;
  readonly audio: { readonly sampleRateHz: number; readonly channelCount: number } | undefined;
  readonly segmentTemplate: SegmentTemplate;
}

export interface SegmentTemplate {
  readonly initialization: string;
  readonly media: string;
  readonly presentationTimeOffsetTicks: number;
  /** SegmentTimeline; gaps stay gaps. */
  readonly segments: readonly { readonly startTicks: number; readonly durationTicks: number }[];
}

export function writeMpdText(mpd: Mpd): string {
  const { presentation } = mpd;
  const protections = mpd.periods.flatMap(({ adaptationSets }) =>
    adaptationSets.flatMap((set) => set.protections),
  );
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<MPD${xmlAttributes({
      xmlns: 'urn:mpeg:dash:schema:mpd:2011',
      ...protectionNamespaces(protections),
      profiles: mpd.profiles.join(','),
      type: presentation.type,
      ...presentationAttributes(presentation),
      minBufferTime: duration(mpd.minBufferTimeTicks),
      maxSegmentDuration: optionalDuration(mpd.maxSegmentDurationTicks),
    })}>`,
    ...(presentation.type === 'dynamic' ? optionalElement('Location', presentation.locationUrl) : []),
    ...mpd.periods.flatMap(periodLines),
  ];
  if (presentation.type === 'dynamic' && presentation.utcTimingUrl !== undefined) {
    const value = presentation.utcTimingUrl;
    lines.push(`  <UTCTiming${xmlAttributes({ schemeIdUri: 'urn:mpeg:dash:utc:http-iso:2014', value })}/>`);
  }
  return `${[...lines, '</MPD>'].join('\n')}\n`;
}

function optionalElement(name: string, text: string | undefined): readonly string[] {
  return text === undefined ? [] : [`  <${name}>${escapeXml(text)}</${name}>`];
}

function presentationAttributes(presentation: Mpd['presentation']): Record<string, AttributeValue> {
  if (presentation.type === 'static') {
    return { mediaPresentationDuration: duration(presentation.durationTicks) };
  }
  return {
    availabilityStartTime: new Date(presentation.availabilityStartTimeMs).toISOString(),
    publishTime: new Date(presentation.publishTimeMs).toISOString(),
    minimumUpdatePeriod: duration(presentation.minimumUpdatePeriodTicks),
    mediaPresentationDuration: optionalDuration(presentation.durationTicks),
    timeShiftBufferDepth: optionalDuration(presentation.timeShiftBufferDepthTicks),
    suggestedPresentationDelay: duration(presentation.suggestedPresentationDelayTicks),
  };
}

function periodLines(period: Period): string[] {
  return [
    `  <Period${xmlAttributes({ id: period.id, start: duration(period.startTicks) })}>`,
    ...period.adaptationSets.flatMap(adaptationSetLines),
    '  </Period>',
  ];
}

function adaptationSetLines(set: AdaptationSet): string[] {
  const attributes = {
    id: set.id,
    contentType: set.contentType,
    mimeType: `${set.contentType === 'text' ? 'application' : set.contentType}/mp4`,
    lang: set.language ?? 'und',
    segmentAlignment: 'true',
    startWithSAP: 1,
  };
  return [
    `    <AdaptationSet${xmlAttributes(attributes)}>`,
    ...set.protections.flatMap((protection) => contentProtectionLines(protection, '      ')),
    ...switchingLines(set.switchableWith),
    ...(set.label === undefined ? [] : [`      <Label>${escapeXml(set.label)}</Label>`]),
    ...set.accessibility.map((value) => roleLine('Accessibility', value)),
    ...set.roles.map((value) => roleLine('Role', value)),
    ...set.representations.flatMap(representationLines),
    '    </AdaptationSet>',
  ];
}

/** §5.8.5.5 */
function roleLine(element: 'Role' | 'Accessibility', value: string): string {
  return `      <${element}${xmlAttributes({ schemeIdUri: 'urn:mpeg:dash:role:2011', value })}/>`;
}

/** §5.3.3.5 */
function switchingLines(ids: readonly number[]): string[] {
  if (ids.length === 0) return [];
  const schemeIdUri = 'urn:mpeg:dash:adaptation-set-switching:2016';
  return [`      <SupplementalProperty${xmlAttributes({ schemeIdUri, value: ids.join(',') })}/>`];
}

function representationLines(representation: Representation): string[] {
  const { video, audio, segmentTemplate } = representation;
  const attributes = {
    id: representation.id,
    bandwidth: representation.bandwidthBps,
    codecs: representation.codecs,
    width: video?.width,
    height: video?.height,
    frameRate: video?.frameRate === undefined ? undefined : frameRateText(video.frameRate),
    audioSamplingRate: audio?.sampleRateHz,
  };
  const template = {
    timescale: TICKS_PER_SECOND,
    presentationTimeOffset: segmentTemplate.presentationTimeOffsetTicks,
    initialization: segmentTemplate.initialization,
    media: segmentTemplate.media,
  };
  return [
    `      <Representation${xmlAttributes(attributes)}>`,
    ...(audio === undefined ? [] : [channelConfiguration(audio.channelCount)]),
    `        <SegmentTemplate${xmlAttributes(template)}>`,
    '          <SegmentTimeline>',
    ...(segmentTemplate.segments.length === 0 ? [] : [timelineText(segmentTemplate.segments)]),
    '          </SegmentTimeline>',
    '        </SegmentTemplate>',
    '      </Representation>',
  ];
}

function channelConfiguration(value: number): string {
  const schemeIdUri = 'urn:mpeg:dash:23003:3:audio_channel_configuration:2011';
  return `        <AudioChannelConfiguration${xmlAttributes({ schemeIdUri, value })}/>`;
}

/**
 * §5.3.9.6: `t` where a run does not follow the one before, `r` = how often it repeats. Thousands of lines of numbers,
 * so they are one text, and nothing is escaped.
 */
function timelineText(segments: SegmentTemplate['segments']): string {
  const runs: { t: number | undefined; d: number; r: number }[] = [];
  let run: (typeof runs)[number] | undefined;
  let expectedTicks: number | undefined;
  for (const { startTicks, durationTicks } of segments) {
    const follows = startTicks === expectedTicks;
    if (run !== undefined && follows && run.d === durationTicks) run.r += 1;
    else {
      run = { t: follows ? undefined : startTicks, d: durationTicks, r: 0 };
      runs.push(run);
    }
    expectedTicks = startTicks + durationTicks;
  }
  const lines = runs.map(({ t, d, r }) => {
    const from = t === undefined ? '' : ` t="${t}"`;
    return `            <S${from} d="${d}"${r === 0 ? '' : ` r="${r}"`}/>`;
  });
  return lines.join('\n');
}

/** xs:duration, exact to the tick. */
function duration(ticks: number): string {
  const seconds = Math.floor(ticks / TICKS_PER_SECOND);
  const rest = String(ticks - seconds * TICKS_PER_SECOND)
    .padStart(7, '0')
    .replace(/0+$/, '');
  return rest === '' ? `PT${seconds}S` : `PT${seconds}.${rest}S`;
}

function optionalDuration(ticks: number | undefined): string | undefined {
  return ticks === undefined ? undefined : duration(ticks);
}

/** §5.3.7.2 FrameRateType: whole, or over 1001 for the NTSC family, else in thousandths. */
function frameRateText(frameRate: number): string {
  const whole = Math.round(frameRate);
  if (whole > 0 && Math.abs(frameRate - whole) < 0.001) return String(whole);
  if (Math.abs((frameRate * 1001) / 1000 - whole) < 0.001) return `${whole * 1000}/1001`;
  return `${Math.max(1, Math.round(frameRate * 1000))}/1000`;
}
