import { createHash } from 'node:crypto';
import type { PreviewReading } from '../../workflows/media-service.ts';
import { listTracks } from './list-tracks.ts';

const TIMEOUT_MS = 2_000;
/** Origins hold a media playlist back that has no segment yet; that is then read another time. */
const MEDIA_TIMEOUT_MS = 1_000;
const PLAYLIST_BYTES_MAX = 1024 * 1024;

const NOTHING: PreviewReading = { sending: false, fingerprint: null, tracks: [] };

/** Reads from a preview, as any player would, whether an encoder is sending; what cannot be read is not sending. */
export async function probePreview(
  previewUrl: string,
  { withFingerprint }: { withFingerprint: boolean },
): Promise<PreviewReading> {
  const url = previewUrl.replace(/\/manifest(\(.*\))?$/, '/manifest(format=m3u8-cmaf)');
  const multivariant = await readText(url, TIMEOUT_MS);
  if (multivariant === undefined) return NOTHING;
  const tracks = listTracks(multivariant);
  if (!withFingerprint) return { sending: true, fingerprint: null, tracks };
  // A media playlist grows as long as input arrives: that, not the event, says whether the encoder is there.
  const uri = multivariant.split(/\r?\n/).find((line) => line !== '' && !line.startsWith('#'));
  const media = uri === undefined ? multivariant : await readText(new URL(uri, url).href, MEDIA_TIMEOUT_MS);
  const fingerprint = media === undefined ? null : createHash('sha256').update(media).digest('hex');
  return { sending: true, fingerprint, tracks };
}

async function readText(url: string, timeoutMs: number): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    const text = await response.text();
    return response.status === 200 && text.length <= PLAYLIST_BYTES_MAX ? text : undefined;
  } catch {
    return undefined;
  }
}
