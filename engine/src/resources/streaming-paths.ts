import { isDownloadable, manifestNamesIn } from './asset-files.ts';
import {
  ENCRYPTIONS,
  type EnabledProtocols,
  type EncryptionScheme,
  type StreamingPolicyRules,
} from './streaming-policy.ts';

type Scheme = 'NoEncryption' | EncryptionScheme;

interface ProtocolForms {
  readonly streamingProtocol: 'Hls' | 'Dash' | 'SmoothStreaming';
  readonly field: 'hls' | 'dash' | 'smoothStreaming';
  /** Of each scheme, what stands in the brackets, newest form first; none: the protocol does not carry it. */
  readonly keys: Readonly<Record<Scheme, readonly string[]>>;
}

/** Reference §3.2, without what the origin has no carriage for: MPEG-TS is encrypted in whole segments only. */
const PROTOCOLS: readonly ProtocolForms[] = [
  {
    streamingProtocol: 'Hls',
    field: 'hls',
    keys: {
      NoEncryption: ['format=m3u8-cmaf', 'format=m3u8-aapl'],
      EnvelopeEncryption: ['format=m3u8-cmaf,encryption=cbc', 'format=m3u8-aapl,encryption=cbc'],
      CommonEncryptionCenc: ['format=m3u8-cmaf,encryption=cenc'],
      CommonEncryptionCbcs: ['format=m3u8-cmaf,encryption=cbcs-aapl'],
    },
  },
  {
    streamingProtocol: 'Dash',
    field: 'dash',
    keys: {
      NoEncryption: ['format=mpd-time-cmaf', 'format=mpd-time-csf'],
      EnvelopeEncryption: ['format=mpd-time-cmaf,encryption=cbc', 'format=mpd-time-csf,encryption=cbc'],
      CommonEncryptionCenc: ['format=mpd-time-cmaf,encryption=cenc', 'format=mpd-time-csf,encryption=cenc'],
      CommonEncryptionCbcs: [
        'format=mpd-time-cmaf,encryption=cbcs-aapl',
        'format=mpd-time-csf,encryption=cbcs-aapl',
      ],
    },
  },
  {
    streamingProtocol: 'SmoothStreaming',
    field: 'smoothStreaming',
    keys: {
      NoEncryption: [''],
      EnvelopeEncryption: ['encryption=cbc'],
      CommonEncryptionCenc: ['encryption=cenc'],
      CommonEncryptionCbcs: [],
    },
  },
];

/**
 * The answer of `listPaths`: an entry for each protocol and scheme that the policy enables, without paths while there is
 * no server manifest; files where the policy has downloads in the clear and no filter holds back a part of them.
 */
export function toListPaths(
  locator: { readonly streamingLocatorId: string; readonly filters: readonly string[] },
  rules: StreamingPolicyRules,
  fileNames: readonly string[],
): object {
  const root = `/${locator.streamingLocatorId}/`;
  const manifests = manifestNamesIn(fileNames);
  const clear = rules.noEncryption?.enabledProtocols;
  const schemes: readonly {
    readonly scheme: Scheme;
    readonly enabled: EnabledProtocols | null | undefined;
  }[] = [
    { scheme: 'NoEncryption', enabled: clear },
    ...ENCRYPTIONS.map(({ field, type }) => ({ scheme: type, enabled: rules[field]?.enabledProtocols })),
  ];
  const isDownload = clear?.download === true && locator.filters.length === 0;
  return {
    streamingPaths: schemes.flatMap(({ scheme, enabled }) =>
      PROTOCOLS.filter(({ field, keys }) => enabled?.[field] === true && keys[scheme].length > 0).map(
        ({ streamingProtocol, keys }) => ({
          streamingProtocol,
          encryptionScheme: scheme,
          paths: manifests.flatMap((name) =>
            keys[scheme].map((one) => `${root}${encodeURIComponent(name)}.ism/manifest${one && `(${one})`}`),
          ),
        }),
      ),
    ),
    downloadPaths: isDownload
      ? fileNames.filter(isDownloadable).map((name) => `${root}${encodeURIComponent(name)}`)
      : [],
  };
}
