import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AzureMediaServices } from '@azure/arm-mediaservices';
import { BlobServiceClient, type ContainerClient } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readBoxes } from '../../src/formats/isobmff/box-reader.ts';
import { parseFragment } from '../../src/formats/isobmff/fragment-reader.ts';
import { parseMovieHeader } from '../../src/formats/isobmff/movie-header-reader.ts';
import { parseWebVtt } from '../../src/formats/webvtt.ts';
import { openAddedTrack } from '../../src/library/added-track.ts';
import { parseTtml } from '../../src/manifests/ttml-reader.ts';
import { ACCOUNT, createArmClient, GROUP } from '../support/arm-client.ts';
import { type Azurite, startAzurite } from '../support/azurite.ts';
import { buildEngine, type EngineProgram, type RunningEngine } from '../support/engine-program.ts';
import { folderContainer } from '../support/folder-container.ts';
import { readHls, readHlsWithM3u8Parser, readMpd } from '../support/manifest-readers.ts';
import { SECOND, START_TICKS, track, trackIndex } from '../support/presentations.ts';
import { ffmpeg } from '../support/programs.ts';
import { FAST } from '../support/sdk-sweep.ts';
import { makeSource } from '../support/source-media.ts';

/** As it can be told in HLS. */
const CC = 'English ”CC”';
const AT = [GROUP, ACCOUNT] as const;
const CLEAR = 'Predefined_ClearStreamingOnly';
const SECONDS = 8;
const ENGLISH =
  'WEBVTT\nLanguage: en\n\n00:00:00.500 --> 00:00:01.500\nfirst\n\n00:00:01.500 --> 00:00:05.500 line:1\nacross <i>borders</i>\n\n00:00:06.000 --> 00:00:07.000\nlast &amp; least\n';
const GERMAN = 'WEBVTT\nLanguage: de\n\n00:01.000 --> 00:02.000\nHallo\n';
const TTML =
  '<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="fr"><body><div><p begin="1s" end="3s">Salut<br/>toi</p></div></body></tt>';

let folder: string;
let azurite: Azurite;
let program: EngineProgram;
let engine: RunningEngine;
let client: AzureMediaServices;
let film: ContainerClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headend-tracks-'));
  const sound = join(folder, 'dub.mp4');
  const [storage, built, source] = await Promise.all([
    startAzurite(),
    buildEngine(),
    makeSource(folder, 'source.mp4', SECONDS),
    ffmpeg('-y', '-f', 'lavfi', '-i', `sine=f=880:d=${SECONDS + 1}`, '-c:a', 'aac', '-b:a', '96k', sound),
  ]);
  [azurite, program] = [storage, built];
  engine = await program.start('control,origin,keys', { HEADEND_STORAGE: azurite.connectionString });
  client = createArmClient(engine, program.caPem, program.identitySecret);
  await client.streamingEndpoints.beginStartAndWait(...AT, 'default', FAST);
  film = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient('film');
  await client.assets.createOrUpdate(...AT, 'film', { container: 'film' });
  await put({
    'film.mp4': await readFile(source),
    'dub.mp4': await readFile(sound),
    'en.vtt': ENGLISH,
    'de.vtt': GERMAN,
    'fr.ttml': TTML,
  });
}, 90_000);

afterAll(async () => {
  await program?.close();
  await azurite?.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function put(files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await film.getBlockBlobClient(name).uploadData(Buffer.from(content));
  }
}

/** `texts` are elements of the manifest. */
function serverManifest(texts = ''): string {
  const media = (type: string, id: number, bitrate: number) =>
    `<${type} src="film.mp4" systemBitrate="${bitrate}" systemLanguage="en"><param name="trackID" value="${id}"/><param name="trackName" value="${type}"/></${type}>`;
  return `<smil><body><switch>${media('video', 1, 300_000)}${media('audio', 2, 64_000)}${texts}</switch></body></smil>`;
}

const DEUTSCH =
  '<textstream src="de.cmft" systemLanguage="de"><param name="transcriptsrc" value="de.vtt"/><param name="trackName" value="deutsch"/><param name="textDisplayName" value="Deutsch"/></textstream>';

async function publish(name: string, policy = CLEAR): Promise<string> {
  const { streamingLocatorId } = await client.streamingLocators.create(...AT, name, {
    assetName: 'film',
    streamingPolicyName: policy,
  });
  return `http://127.0.0.1:${engine.ports['streaming']}/${streamingLocatorId}/film.ism`;
}

async function ask(url: string): Promise<{ status: number; bytes: Uint8Array; headers: Headers }> {
  const answer = await fetch(url);
  return {
    status: answer.status,
    bytes: new Uint8Array(await answer.arrayBuffer()),
    headers: answer.headers,
  };
}
const textOf = async (url: string) => new TextDecoder().decode((await ask(url)).bytes);

async function until(url: string, isSo: (text: string) => boolean): Promise<number> {
  const beganMs = Date.now();
  while (!isSo(await textOf(url))) {
    if (Date.now() - beganMs > 15_000) throw new Error('did not come true within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return Date.now() - beganMs;
}

const mediaLine = (playlist: string, name: string): string =>
  playlist.split('\n').find((line) => line.startsWith('#EXT-X-MEDIA') && line.includes(`NAME="${name}"`)) ??
  '';

/** Cues of all segments of an HLS playlist, each once, and how long the segments are together. */
async function readSubtitles(root: string, uri: string) {
  const playlist = await textOf(`${root}/${uri}`);
  const read = readHls(playlist);
  if (read.kind !== 'media') throw new Error('a media playlist is expected');
  expect(readHlsWithM3u8Parser(playlist)).toEqual(read);
  const base = `${root}/${uri.slice(0, uri.indexOf('/Manifest'))}`;
  const cues = new Map<string, { startMs: number; endMs: number; payload: string }>();
  for (const segment of read.segments) {
    const { status, bytes, headers } = await ask(`${base}/${segment.uri}`);
    expect([status, headers.get('content-type')]).toEqual([200, 'text/vtt; charset=utf-8']);
    for (const { identifier: _ours, ...cue } of parseWebVtt(bytes).cues) cues.set(JSON.stringify(cue), cue);
  }
  return {
    cues: [...cues.values()],
    durationSeconds: read.segments.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0),
  };
}

const audio = (more: object) => ({ track: { odataType: '#Microsoft.Media.AudioTrack', ...more } as const });
const caption = (more: object) => ({ track: { odataType: '#Microsoft.Media.TextTrack', ...more } as const });

describe('tracks that are added to what is on demand', () => {
  let root: string;

  it('appear with the asset’s own, as soon as there is a server manifest', async () => {
    root = await publish('clear');
    const manifest = `${root}/manifest(format=m3u8-cmaf)`;
    expect((await ask(manifest)).status).toBe(404);
    await put({ 'film.ism': serverManifest() });
    expect(await until(manifest, (text) => text.startsWith('#EXTM3U'))).toBeLessThan(8_000);
    const { tracks } = client;
    await tracks.beginCreateOrUpdateAndWait(
      ...[...AT, 'film', 'english'],
      caption({
        fileName: 'en.vtt',
        displayName: 'English "CC"',
        hlsSettings: { default: true, characteristics: 'public.accessibility.transcribes-spoken-dialog' },
      }),
      FAST,
    );
    await tracks.beginCreateOrUpdateAndWait(
      ...[...AT, 'film', 'français'],
      caption({ fileName: 'fr.ttml', hlsSettings: { forced: true } }),
      FAST,
    );
    await tracks.beginCreateOrUpdateAndWait(
      ...[...AT, 'film', 'describer'],
      audio({
        fileName: 'dub.mp4',
        displayName: 'Described',
        languageCode: 'en-GB',
        hlsSettings: { characteristics: 'public.accessibility.describes-video' },
        dashSettings: { role: 'alternate' },
      }),
      FAST,
    );
    await until(manifest, (text) => text.includes('Described'));
    const playlist = await textOf(manifest);
    expect(readHlsWithM3u8Parser(playlist)).toEqual(readHls(playlist));
    expect(mediaLine(playlist, CC)).toMatch(
      /TYPE=SUBTITLES,GROUP-ID="text",.*LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog",/,
    );
    expect(mediaLine(playlist, 'français')).toMatch(/LANGUAGE="fr",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,/);
    expect(mediaLine(playlist, 'Described')).toMatch(
      /TYPE=AUDIO,.*LANGUAGE="en-GB",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="1",CHARACTERISTICS="public.accessibility.describes-video",/,
    );
    expect(playlist.match(/^#EXT-X-STREAM-INF:.*AUDIO="audio",SUBTITLES="text"$/gm)).toHaveLength(1);
  }, 60_000);

  it.each(['m3u8-cmaf', 'm3u8-aapl'])(
    'are WebVTT in HLS, %s: every cue whole, in as long a playlist',
    async (format) => {
      const playlist = await textOf(`${root}/manifest(format=${format})`);
      const uriOf = (name: string) => /URI="([^"]+)"/.exec(mediaLine(playlist, name))?.[1] ?? '';
      const english = await readSubtitles(root, uriOf(CC));
      expect(english.cues).toEqual(parseWebVtt(Buffer.from(ENGLISH)).cues);
      expect((await readSubtitles(root, uriOf('français'))).cues).toEqual([
        { startMs: 1000, endMs: 3000, payload: 'Salut\ntoi' },
      ]);
      const video = readHls(await textOf(`${root}/QualityLevels(300000)/Manifest(video,format=${format})`));
      const segments = video.kind === 'media' ? video.segments : [];
      expect(english.durationSeconds).toBeCloseTo(
        segments.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0),
        6,
      );
    },
  );

  it('are wvtt and sound of their own in DASH', async () => {
    const mpd = await textOf(`${root}/manifest(format=mpd-time-cmaf)`);
    const sets = mpd.split('<AdaptationSet').slice(1);
    const setOf = (name: string) => sets.find((set) => set.includes(`Fragments(${name}=`)) ?? '';
    expect(setOf('english')).toMatch(/contentType="text" mimeType="application\/mp4" lang="en"/);
    expect(setOf('english')).toMatch(/Accessibility [^>]*value="caption"[\s\S]*Role [^>]*value="caption"/);
    expect(setOf('fran_ais')).toMatch(/Role [^>]*value="forced-subtitle"/);
    expect(setOf('describer')).toMatch(
      /lang="en-GB"[\s\S]*<Label>Described<\/Label>[\s\S]*Accessibility [^>]*value="description"[\s\S]*Role [^>]*value="alternate"/,
    );
    // B-frames make the first picture wait for two others: the presentation begins when it is shown, without a hole.
    expect([...new Set(mpd.match(/presentationTimeOffset="\d+"/g))]).toEqual([
      'presentationTimeOffset="800000"',
    ]);
    const urls = readMpd(mpd, Date.now()).map(({ url }) => url);
    const texts = urls.filter((url) => url.includes('(english='));
    expect(texts).toHaveLength(urls.filter((url) => url.includes('(video=')).length);
    const header = await ask(`${root}/${texts[0]?.replace(/=\d+,/, '=i,')}`);
    expect(parseMovieHeader(moovOf(header.bytes))).toMatchObject([{ handlerType: 'text', codec: 'wvtt' }]);
    const payloads: string[] = [];
    for (const url of texts) {
      const { bytes, headers } = await ask(`${root}/${url}`);
      expect(headers.get('cache-control')).toBe('public, max-age=60');
      expect(headers.get('content-type')).toBe('application/mp4');
      payloads.push(...payloadsOf(bytes));
    }
    expect([...new Set(payloads)]).toEqual(['first', 'across <i>borders</i>', 'last &amp; least']);
    for (const url of urls.filter((one) => one.includes('(describer='))) {
      expect((await ask(`${root}/${url}`)).status).toBe(200);
    }
  });

  it('are TTML in Smooth Streaming', async () => {
    const manifest = await textOf(`${root}/manifest`);
    expect(manifest).toMatch(/<StreamIndex Type="text" Subtype="CAPT" Name="english" Language="en"/);
    expect(manifest).toMatch(/<StreamIndex Type="text" Subtype="SUBT" Name="fran_ais" Language="fr"/);
    expect(manifest).toMatch(/<StreamIndex Type="audio" Name="describer" Language="en-GB"/);
    const bitrate = /Name="english"[\s\S]*?Bitrate="(\d+)" FourCC="TTML"/.exec(manifest)?.[1];
    const { bytes } = await ask(`${root}/QualityLevels(${bitrate})/Fragments(english=0)`);
    const [sample] = parseFragment(bytes).samples;
    const document = bytes.subarray(sample?.offset, (sample?.offset ?? 0) + (sample?.sizeBytes ?? 0));
    const { paragraphs } = parseTtml(new TextDecoder().decode(document));
    expect(paragraphs.map(({ payload }) => payload)).toEqual(['first', 'across borders']);
  });

  it('are chosen by filters', async () => {
    await client.assetFilters.createOrUpdate(...AT, 'film', 'spoken', {
      tracks: [
        { trackSelections: [{ property: 'Type', operation: 'Equal', value: 'Video' }] },
        {
          trackSelections: [
            { property: 'Type', operation: 'Equal', value: 'Text' },
            { property: 'Language', operation: 'Equal', value: 'fr' },
          ],
        },
      ],
    });
    const playlist = await textOf(`${root}/manifest(format=m3u8-cmaf,filter=spoken)`);
    expect(playlist).toContain('NAME="français"');
    expect(playlist).not.toMatch(/English|TYPE=AUDIO/);
  });

  it('are in the clear where the film is encrypted, and so is nothing else', async () => {
    await client.contentKeyPolicies.createOrUpdate(...AT, 'open', {
      options: [
        {
          name: 'all',
          configuration: { odataType: '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
          restriction: { odataType: '#Microsoft.Media.ContentKeyPolicyOpenRestriction' },
        },
      ],
    });
    const { streamingLocatorId } = await client.streamingLocators.create(...AT, 'envelope', {
      assetName: 'film',
      streamingPolicyName: 'Predefined_ClearKey',
      defaultContentKeyPolicyName: 'open',
    });
    const locked = `http://127.0.0.1:${engine.ports['streaming']}/${streamingLocatorId}/film.ism`;
    const playlist = await textOf(`${locked}/manifest(format=m3u8-cmaf,encryption=cbc)`);
    const uriOf = (name: string) => /URI="([^"]+)"/.exec(mediaLine(playlist, name))?.[1] ?? '';
    expect((await readSubtitles(locked, uriOf(CC))).cues).toHaveLength(3);
    expect(await textOf(`${locked}/${uriOf(CC)}`)).not.toContain('EXT-X-KEY');
    expect(await textOf(`${locked}/${uriOf('Described')}`)).toContain('#EXT-X-KEY:METHOD=AES-128');
    const mpd = await textOf(`${locked}/manifest(format=mpd-time-cmaf,encryption=cbc)`);
    const sets = mpd.split('<AdaptationSet').slice(1);
    for (const set of sets)
      expect(set.includes('ContentProtection')).toBe(!set.includes('contentType="text"'));
    expect(sets).toHaveLength(5);
  });

  it('follow their file, their settings and the server manifest, and go when they are deleted', async () => {
    const manifest = `${root}/manifest(format=m3u8-cmaf)`;
    await put({ 'en.vtt': ENGLISH.replace('first', 'changed') });
    await client.tracks.beginUpdateTrackDataAndWait(...AT, 'film', 'english', FAST);
    const uri = /URI="([^"]+)"/.exec(mediaLine(await textOf(manifest), CC))?.[1] ?? '';
    const level = uri.slice(0, uri.indexOf('/Manifest'));
    await until(`${root}/${level}/Fragments(english=0,format=m3u8-cmaf)`, (text) => text.includes('changed'));
    await client.tracks.beginUpdateAndWait(
      ...[...AT, 'film', 'english'],
      caption({ playerVisibility: 'Hidden' }),
      FAST,
    );
    await until(manifest, (text) => !text.includes('NAME="English \'CC\'"'));
    await client.tracks.beginUpdateAndWait(
      ...[...AT, 'film', 'describer'],
      audio({ hlsSettings: { default: true } }),
      FAST,
    );
    await until(manifest, (text) => /NAME="Described",.*DEFAULT=YES/.test(text));
    await client.tracks.beginDeleteAndWait(...AT, 'film', 'describer', FAST);
    await client.tracks.beginDeleteAndWait(...AT, 'film', 'français', FAST);
    await until(manifest, (text) => !/Described|fran/.test(text));
    await put({ 'film.ism': serverManifest(DEUTSCH) });
    expect(await until(manifest, (text) => text.includes('NAME="Deutsch",LANGUAGE="de"'))).toBeLessThan(
      12_000,
    );
    const german = /URI="([^"]+)"/.exec(mediaLine(await textOf(manifest), 'Deutsch'))?.[1] ?? '';
    expect((await readSubtitles(root, german)).cues).toEqual([
      { startMs: 1000, endMs: 2000, payload: 'Hallo' },
    ]);
  }, 60_000);
});

describe('sound that is added to a recording of several sessions', () => {
  it('has their discontinuities, nothing in holes, and numbers of its own for every file', async () => {
    const video = track('video', { ordinal: 1, bitrateBps: 1, formats: [] });
    const [first, ...others] = trackIndex(video, [
      { startTicks: START_TICKS, count: 2 },
      { startTicks: START_TICKS + 6 * SECOND, count: 1, discontinuity: 1 },
    ]).fragments;
    if (first === undefined) throw new Error('no fragments');
    const to = {
      lead: [first, ...others] as const,
      startTicks: START_TICKS,
      zeroTicks: START_TICKS,
      ordinal: 40_000,
      streamName: 'dub',
    };
    const added = {
      name: 'dub',
      type: 'audio' as const,
      fileName: 'dub.mp4',
      mpeg4TrackId: undefined,
      label: undefined,
      language: undefined,
      settings: {},
      version: 'one',
    };
    const container = folderContainer(folder);
    const [one, again, two] = await Promise.all(
      ['one', 'one', 'two'].map((version) => openAddedTrack(container, { ...added, version }, to)),
    );
    if (one === undefined || 'reason' in one) throw new Error('no track');
    const seconds = (ticks: number) => Math.round((ticks - START_TICKS) / SECOND);
    expect(
      one.index.fragments.map((entry) => [
        seconds(entry.decodeTimeTicks),
        seconds(entry.decodeTimeTicks + entry.durationTicks),
        entry.discontinuity,
        entry.sequence,
      ]),
    ).toEqual([
      [0, 2, 0, 0],
      [2, 4, 0, 1],
      [6, 8, 1, 2],
      [8, 9, 1, 3],
    ]);
    for (const entry of one.index.fragments) {
      expect(entry.decodeTimeTicks).toBeGreaterThanOrEqual(START_TICKS);
      const bytes = (await one.fragment(entry)) ?? new Uint8Array();
      expect(parseFragment(bytes)).toMatchObject({ decodeTimeTicks: entry.decodeTimeTicks, trackId: 40_000 });
      expect(parseFragment(bytes).samples).toHaveLength(entry.sampleCount);
    }
    const numberOf = (opened: typeof one | undefined) => opened?.index.fragments[0]?.firstSample ?? 0;
    const opened = (outcome: typeof again) =>
      outcome === undefined || 'reason' in outcome ? undefined : outcome;
    expect(numberOf(opened(again))).toBe(numberOf(one));
    expect(Math.abs(numberOf(opened(two)) - numberOf(one))).toBeGreaterThan(2 ** 20);
  });
});

function moovOf(header: Uint8Array): Uint8Array {
  const box = readBoxes(header).find(({ type }) => type === 'moov');
  return header.subarray(box?.offset, (box?.offset ?? 0) + (box?.sizeBytes ?? 0));
}

/** Of all cues of all samples of a `wvtt` fragment. */
function payloadsOf(bytes: Uint8Array): readonly string[] {
  return parseFragment(bytes).samples.flatMap(({ offset, sizeBytes }) =>
    readBoxes(bytes.subarray(offset, offset + sizeBytes)).flatMap(({ body }) =>
      readBoxes(body)
        .filter(({ type }) => type === 'payl')
        .map((payload) => new TextDecoder().decode(payload.body)),
    ),
  );
}
