import { createHash } from 'node:crypto';
import type {
  ContentKeyPolicyOption,
  LiveEvent,
  StreamingLocator,
  StreamingPolicy,
  TransformOutput,
} from '@azure/arm-mediaservices';
import { ContainerClient } from '@azure/storage-blob';
import type { AccountSide } from './account-copy.ts';
import { eachOf, FAST } from './sdk-sweep.ts';

/** How many of each there are to be; what belongs to a resource goes to the first ones of its kind, one after another. */
export interface Population {
  readonly accountFilters: number;
  readonly assets: number;
  readonly assetFilters: number;
  readonly tracks: number;
  readonly contentKeyPolicies: number;
  readonly streamingPolicies: number;
  readonly streamingLocators: number;
  readonly transforms: number;
  readonly jobs: number;
  readonly liveEvents: number;
}

const SAS_MS = 3_600_000;
const ISM =
  '<?xml version="1.0" encoding="utf-8"?><smil xmlns="http://www.w3.org/2001/SMIL20/Language"><head/><body><switch/></body></smil>';
const enabledProtocols = { download: false, dash: true, hls: true, smoothStreaming: false };

/** Fills an account with resources of every kind and of many shapes, the same for the same numbers. */
export async function populate(side: AccountSide, size: Population): Promise<void> {
  await populateAssets(side, size);
  await populateProtection(side, size);
  await populateEncoding(side, size);
  await populateStreaming(side, size);
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const name = (kind: string, index: number) => `${kind}-${String(index).padStart(5, '0')}`;
/** Bytes, and a guid, that look random and are the same each time. */
const bytes = (seed: string, length: number) =>
  new Uint8Array(createHash('shake256', { outputLength: length }).update(seed).digest());
const guid = (seed: string) =>
  Buffer.from(bytes(seed, 16))
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
const pick = <Item>(shapes: readonly Item[], index: number): Item => {
  const shape = shapes[index % shapes.length];
  if (shape === undefined) throw new RangeError('nothing to pick from');
  return shape;
};

async function populateAssets(side: AccountSide, size: Population): Promise<void> {
  const { assets, assetFilters, accountFilters, tracks } = side.client;
  const at = [side.group, side.account] as const;
  await eachOf(numbers(size.accountFilters), (index) =>
    accountFilters.createOrUpdate(...at, name('filter', index), {
      firstQuality: { bitrate: 100_000 + index },
      ...(index % 2 === 0
        ? {}
        : { presentationTimeRange: { startTimestamp: index * 10_000_000, timescale: 10_000_000 } }),
    }),
  );
  await eachOf(numbers(size.assets), (index) =>
    assets.createOrUpdate(
      ...at,
      name('asset', index),
      pick(
        [
          {},
          { description: `Film ${index}: “Ünïcode & <markup>”` },
          { alternateId: guid(`alternate ${index}`) },
          { description: '', alternateId: 'a', container: name('container', index) },
        ],
        index,
      ),
    ),
  );
  await eachOf(numbers(size.assetFilters), (index) =>
    assetFilters.createOrUpdate(...at, name('asset', index % size.assets), name('cut', index), {
      presentationTimeRange: { startTimestamp: index, endTimestamp: 900_000_000, forceEndTimestamp: false },
      tracks: [
        {
          trackSelections: [
            { property: 'Type', operation: 'Equal', value: 'Video' },
            { property: 'Bitrate', operation: 'NotEqual', value: `0-${index}` },
          ],
        },
      ],
    }),
  );
  await eachOf(numbers(size.tracks), async (index) => {
    const asset = name('asset', index);
    const fileName = `captions-${index}.vtt`;
    await upload(side, asset, 'film.ism', ISM);
    await upload(side, asset, fileName, `WEBVTT\nLanguage: de\n\n00:00.000 --> 00:02.000\nSatz ${index}\n`);
    const track = {
      odataType: '#Microsoft.Media.TextTrack',
      fileName,
      displayName: `Captions ${index}`,
      playerVisibility: index % 2 === 0 ? 'Visible' : 'Hidden',
    } as const;
    await tracks.beginCreateOrUpdateAndWait(...at, asset, 'captions', { track }, FAST);
  });
}

async function upload(side: AccountSide, asset: string, blob: string, body: string): Promise<void> {
  const { assetContainerSasUrls = [] } = await side.client.assets.listContainerSas(
    side.group,
    side.account,
    asset,
    { permissions: 'ReadWrite', expiryTime: new Date(Date.now() + SAS_MS) },
  );
  await new ContainerClient(assetContainerSasUrls[0] ?? '')
    .getBlockBlobClient(blob)
    .uploadData(Buffer.from(body));
}

async function populateProtection(side: AccountSide, size: Population): Promise<void> {
  const { contentKeyPolicies, streamingPolicies, streamingLocators } = side.client;
  const at = [side.group, side.account] as const;
  await eachOf(numbers(size.contentKeyPolicies), (index) =>
    contentKeyPolicies.createOrUpdate(...at, name('keys', index), {
      ...(index % 3 === 0 ? {} : { description: `Policy ${index}` }),
      options: pick(
        [[clearKey(index)], [widevine(index), playReady(index)], [clearKey(index), widevine(index)]],
        index,
      ),
    }),
  );
  await eachOf(numbers(size.streamingPolicies), (index) =>
    streamingPolicies.create(...at, name('policy', index), streamingPolicy(index, size)),
  );
  await eachOf(numbers(size.streamingLocators), (index) =>
    streamingLocators.create(...at, name('locator', index), streamingLocator(index, size)),
  );
}

const open = { odataType: '#Microsoft.Media.ContentKeyPolicyOpenRestriction' } as const;

function clearKey(index: number): ContentKeyPolicyOption {
  return {
    name: `clear key ${index}`,
    configuration: { odataType: '#Microsoft.Media.ContentKeyPolicyClearKeyConfiguration' },
    restriction: {
      odataType: '#Microsoft.Media.ContentKeyPolicyTokenRestriction',
      issuer: 'https://issuer.example',
      audience: `viewers ${index}`,
      restrictionTokenType: index % 2 === 0 ? 'Jwt' : 'Swt',
      primaryVerificationKey: {
        odataType: '#Microsoft.Media.ContentKeyPolicySymmetricTokenKey',
        keyValue: bytes(`verification ${index}`, 64),
      },
      alternateVerificationKeys: [],
      requiredClaims: [{ claimType: 'urn:microsoft:azure:mediaservices:contentkeyidentifier' }],
    },
  };
}

function widevine(index: number): ContentKeyPolicyOption {
  return {
    name: `widevine ${index}`,
    configuration: {
      odataType: '#Microsoft.Media.ContentKeyPolicyWidevineConfiguration',
      widevineTemplate: JSON.stringify({ allowed_track_types: 'SD_HD', content_key_specs: [] }),
    },
    restriction: open,
  };
}

function playReady(index: number): ContentKeyPolicyOption {
  return {
    name: `playready ${index}`,
    configuration: {
      odataType: '#Microsoft.Media.ContentKeyPolicyPlayReadyConfiguration',
      licenses: [
        {
          allowTestDevices: index % 2 === 0,
          licenseType: 'NonPersistent',
          contentType: 'UltraVioletStreaming',
          contentKeyLocation: {
            odataType: '#Microsoft.Media.ContentKeyPolicyPlayReadyContentEncryptionKeyFromHeader',
          },
          playRight: {
            digitalVideoOnlyContentRestriction: false,
            imageConstraintForAnalogComponentVideoRestriction: true,
            imageConstraintForAnalogComputerMonitorRestriction: false,
            allowPassingVideoContentToUnknownOutput: 'Allowed',
            uncompressedDigitalVideoOpl: 300,
          },
        },
      ],
    },
    restriction: open,
  };
}

function streamingPolicy(index: number, size: Population): StreamingPolicy {
  const contentKeys = { defaultKey: { label: `key ${index}` } };
  const shapes: readonly StreamingPolicy[] = [
    { noEncryption: { enabledProtocols } },
    {
      envelopeEncryption: {
        enabledProtocols,
        contentKeys,
        customKeyAcquisitionUrlTemplate: 'https://keys.example/{ContentKeyId}',
      },
    },
    {
      defaultContentKeyPolicyName: name('keys', index % size.contentKeyPolicies),
      commonEncryptionCenc: {
        enabledProtocols,
        contentKeys,
        drm: { widevine: { customLicenseAcquisitionUrlTemplate: 'https://licences.example/{ContentKeyId}' } },
      },
    },
  ];
  return pick(shapes, index);
}

function streamingLocator(index: number, size: Population): StreamingLocator {
  const target = {
    assetName: name('asset', index % size.assets),
    streamingLocatorId: guid(`locator ${index}`),
  };
  const shapes: readonly StreamingLocator[] = [
    { streamingPolicyName: 'Predefined_ClearStreamingOnly' },
    {
      streamingPolicyName: 'Predefined_DownloadAndClearStreaming',
      startTime: new Date('2026-01-01T00:00:00Z'),
      endTime: new Date('2030-01-01T00:00:00Z'),
      filters: size.accountFilters === 0 ? [] : [name('filter', index % size.accountFilters)],
    },
    {
      streamingPolicyName: 'Predefined_ClearKey',
      defaultContentKeyPolicyName: name('keys', 0),
      contentKeys: [
        {
          id: guid(`key ${index}`),
          labelReferenceInStreamingPolicy: 'clearKeyDefault',
          value: Buffer.from(bytes(`key value ${index}`, 16)).toString('base64'),
        },
      ],
    },
    {
      // Its keys are generated.
      streamingPolicyName: name('policy', 1),
      defaultContentKeyPolicyName: name('keys', 0),
      alternativeMediaId: `media ${index}`,
    },
  ];
  return { ...target, ...pick(shapes, index) };
}

async function populateEncoding(side: AccountSide, size: Population): Promise<void> {
  const { transforms, jobs } = side.client;
  const at = [side.group, side.account] as const;
  await eachOf(numbers(size.transforms), (index) =>
    transforms.createOrUpdate(...at, name('transform', index), {
      description: `Transform ${index}`,
      outputs: [transformOutput(index)],
    }),
  );
  await eachOf(numbers(size.jobs), (index) =>
    jobs.create(...at, name('transform', index % size.transforms), name('job', index), {
      input: {
        odataType: '#Microsoft.Media.JobInputAsset',
        assetName: name('asset', index % size.assets),
        files: [`source-${index}.mp4`],
        label: 'source',
      },
      outputs: [
        { odataType: '#Microsoft.Media.JobOutputAsset', assetName: name('asset', (index + 1) % size.assets) },
      ],
      priority: pick(['Low', 'Normal', 'High'], index),
      correlationData: { tenant: `t${index % 7}` },
      ...(index % 2 === 0 ? { description: `Job ${index}` } : {}),
    }),
  );
}

function transformOutput(index: number): TransformOutput {
  const shapes: readonly TransformOutput[] = [
    {
      preset: { odataType: '#Microsoft.Media.BuiltInStandardEncoderPreset', presetName: 'AdaptiveStreaming' },
    },
    {
      onError: 'ContinueJob',
      relativePriority: 'High',
      preset: { odataType: '#Microsoft.Media.AudioAnalyzerPreset', audioLanguage: 'de-DE' },
    },
    { preset: { odataType: '#Microsoft.Media.VideoAnalyzerPreset' } },
    {
      preset: {
        odataType: '#Microsoft.Media.StandardEncoderPreset',
        codecs: [
          { odataType: '#Microsoft.Media.AacAudio', bitrate: 128_000, channels: 2, samplingRate: 48_000 },
          {
            odataType: '#Microsoft.Media.H264Video',
            keyFrameInterval: 'PT2S',
            layers: [{ bitrate: 1_000_000 + index, width: '1280', height: '720', label: 'HD' }],
          },
        ],
        formats: [
          { odataType: '#Microsoft.Media.Mp4Format', filenamePattern: 'Video-{Basename}-{Label}{Extension}' },
        ],
      },
    },
  ];
  return pick(shapes, index);
}

async function populateStreaming(side: AccountSide, size: Population): Promise<void> {
  const { liveEvents, liveOutputs, streamingEndpoints } = side.client;
  const at = [side.group, side.account] as const;
  await eachOf(numbers(size.liveEvents), async (index) => {
    const of = [...at, name('event', index)] as const;
    await liveEvents.beginCreateAndWait(...of, liveEvent(index), FAST);
    const parameters = {
      assetName: name('asset', index % size.assets),
      archiveWindowLength: `PT${1 + (index % 8)}H`,
      manifestName: `recording-${index}`,
      ...(index % 2 === 0 ? {} : { hls: { fragmentsPerTsSegment: 4 }, description: `Output ${index}` }),
    };
    await liveOutputs.beginCreateAndWait(...of, 'recording', parameters, FAST);
  });
  const second = {
    location: 'local',
    scaleUnits: 2,
    description: 'second',
    tags: { team: 'b' },
    maxCacheAge: 60,
  };
  await streamingEndpoints.beginCreateAndWait(...at, 'second', second, FAST);
  const changed = { location: 'local', description: 'the first', tags: { team: 'a' } };
  await streamingEndpoints.beginUpdateAndWait(...at, 'default', changed, FAST);
}

function liveEvent(index: number): LiveEvent {
  const accessToken = guid(`token ${index}`).replaceAll('-', '');
  const allow = [{ name: 'office', address: '192.0.2.0', subnetPrefixLength: 24 }];
  const shapes: readonly LiveEvent[] = [
    {
      location: 'local',
      input: { streamingProtocol: 'RTMP', accessToken },
      encoding: { encodingType: 'PassthroughBasic' },
    },
    {
      location: 'local',
      description: `Event ${index}`,
      tags: { index: String(index) },
      input: { streamingProtocol: 'FragmentedMP4', accessToken, accessControl: { ip: { allow } } },
      preview: { previewLocator: guid(`preview ${index}`), accessControl: { ip: { allow } } },
      encoding: { encodingType: 'PassthroughStandard' },
      useStaticHostname: true,
      hostnamePrefix: `event${index}`,
      streamOptions: ['Default'],
    },
  ];
  return pick(shapes, index);
}
