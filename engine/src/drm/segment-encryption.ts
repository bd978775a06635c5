import type { ContentProtection } from '../manifests/content-protection.ts';
import type { Protection, ProtectionKey } from '../model/protection.ts';

const IV_SIZE_BYTES = 16;

/**
 * The initialization vector of every segment of a presentation in DASH and Smooth Streaming with `aes128`. A Smooth
 * manifest has room for one, Shaka Player reads one for each AdaptationSet, and the original had one: so there is one,
 * where HLS has one for each segment. It is that of track 0, which there is not, so that no other vector equals it.
 */
export function envelopeIv(ivSalt: Uint8Array): Uint8Array {
  const iv = new Uint8Array(IV_SIZE_BYTES);
  iv.set(ivSalt);
  return iv;
}

/** ISO/IEC 23009-4, as the original wrote it. Initialization segments are encrypted like the others. */
export function segmentEncryption(
  key: Pick<ProtectionKey, 'keyUrl'>,
  ivSalt: Protection['ivSalt'],
): ContentProtection {
  const iv = Buffer.from(envelopeIv(ivSalt)).toString('hex').toUpperCase();
  return {
    schemeIdUri: 'urn:mpeg:dash:sea:2012',
    children: [
      { name: 'sea:SegmentEncryption', attributes: { schemeIdUri: 'urn:mpeg:dash:sea:aes128-cbc:2013' } },
      { name: 'sea:KeySystem', attributes: { keySystemUri: 'urn:mpeg:dash:sea:keysys:http:2013' } },
      {
        name: 'sea:CryptoPeriod',
        // A dollar sign would begin an identifier of the template.
        attributes: { IV: `0x${iv}`, keyUriTemplate: key.keyUrl?.replaceAll('$', '%24') },
      },
    ],
  };
}
