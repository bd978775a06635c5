import type { Delivery } from './protection.ts';

/** The policies that every media service has (reference §3.3), as what they deliver. */
const PREDEFINED: readonly { readonly name: string; readonly modes: string; readonly drm?: string }[] = [
  { name: 'Predefined_ClearStreamingOnly', modes: 'clear clear clear false' },
  { name: 'Predefined_DownloadAndClearStreaming', modes: 'clear clear clear true' },
  { name: 'Predefined_DownloadOnly', modes: 'off off off true' },
  { name: 'Predefined_ClearKey', modes: 'aes128 aes128 aes128 false' },
  { name: 'Predefined_MultiDrmCencStreaming', modes: 'off cenc cenc false', drm: 'playReady widevine' },
  { name: 'Predefined_MultiDrmStreaming', modes: 'cbcs cenc cenc false', drm: 'playReady widevine fairPlay' },
];

/** The predefined streaming policy that delivers exactly this; undefined: none does. */
export function predefinedPolicyOf(delivery: Delivery): string | undefined {
  const { hls, dash, smooth, download, keyUrl, drm } = delivery;
  const { playReady, widevine, fairPlay, clearKey } = drm;
  const systems = { playReady, widevine, fairPlay, clearKey };
  const isPlain =
    keyUrl === null &&
    Object.values(systems).every((system) => system === null || system.licenceUrl === null) &&
    (playReady === null || playReady.customAttributes === null) &&
    (fairPlay === null || !fairPlay.persistent);
  if (!isPlain) return undefined;
  const modes = `${hls} ${dash} ${smooth} ${download}`;
  const names = Object.entries(systems)
    .filter(([, system]) => system !== null)
    .map(([name]) => name)
    .join(' ');
  return PREDEFINED.find((policy) => policy.modes === modes && (policy.drm ?? '') === names)?.name;
}
