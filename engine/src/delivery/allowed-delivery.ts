import type { ProtectionScheme } from '../model/protection.ts';
import type { StreamingForm } from '../packager/streaming-path.ts';
import type { DeliveryRules, EncryptedDelivery, ServedProtocols } from './delivery-directory.ts';
import { OriginError } from './origin-errors.ts';

/** How an answer leaves: `encrypted` undefined means in the clear. The form names its encryption from here on. */
export interface AllowedDelivery {
  readonly form: StreamingForm;
  readonly encrypted: EncryptedDelivery | undefined;
}

const PROTOCOLS: Readonly<Record<StreamingForm['format'], 'hls' | 'dash' | 'smooth'>> = {
  'm3u8-cmaf': 'hls',
  'm3u8-aapl': 'hls',
  'm3u8-aapl-v3': 'hls',
  'mpd-time-cmaf': 'dash',
  'mpd-time-csf': 'dash',
  fmp4: 'smooth',
  'fmp4-v20': 'smooth',
};

const SCHEMES: Readonly<Record<NonNullable<StreamingForm['encryption']>, ProtectionScheme>> = {
  cbc: 'aes128',
  cenc: 'cenc',
  'cbcs-aapl': 'cbcs',
  piff: 'cenc',
};

const TAGS = { aes128: 'cbc', cenc: 'cenc', cbcs: 'cbcs-aapl' } as const satisfies Record<
  ProtectionScheme,
  StreamingForm['encryption']
>;

/**
 * Throws for what the streaming policy does not let through as it is asked for. A form that names no encryption is in the
 * clear if the policy has that; else it is of the policy's only scheme, where the format is older than the choice.
 */
export function allowedDelivery(
  { clear, encrypted }: DeliveryRules,
  { form, isManifest }: { readonly form: StreamingForm; readonly isManifest: boolean },
): AllowedDelivery {
  const protocol = PROTOCOLS[form.format];
  const offered = encrypted.filter(({ protocols }) => protocols[protocol]);
  if (!clear[protocol] && offered.length === 0) {
    throw blocked('the streaming policy does not enable this protocol');
  }
  if (form.encryption !== undefined) {
    const scheme = SCHEMES[form.encryption];
    const part = offered.find((one) => one.scheme === scheme);
    if (part === undefined) throw blocked('the streaming policy does not enable this encryption here');
    checkCarries(form);
    return { form, encrypted: part };
  }
  if (clear[protocol]) return { form, encrypted: undefined };
  const [only, ...others] = encrypted;
  if (only === undefined || others.length > 0 || isAny(clear) || isCmaf(form)) throw unspecified(isManifest);
  const named = { ...form, encryption: TAGS[only.scheme] };
  checkCarries(named);
  return { form: named, encrypted: only };
}

/** Of the protocols that stream: a download names no encryption anyway. */
const isAny = ({ hls, dash, smooth }: ServedProtocols): boolean => hls || dash || smooth;

const isCmaf = ({ format }: StreamingForm): boolean => format === 'm3u8-cmaf' || format === 'mpd-time-cmaf';

/** MPEG-TS carries whole encrypted segments only, Smooth Streaming no `cbcs`; `piff` is Smooth Streaming's. */
function checkCarries({ format, encryption }: StreamingForm): void {
  const isTs = format === 'm3u8-aapl' || format === 'm3u8-aapl-v3';
  const isSmooth = PROTOCOLS[format] === 'smooth';
  const isCarried =
    encryption === 'cbc' ||
    (encryption === 'piff' && isSmooth) ||
    (encryption === 'cenc' && !isTs) ||
    (encryption === 'cbcs-aapl' && !isTs && !isSmooth);
  if (!isCarried) throw blocked(`${encryption} is not served in the format ${format}`);
}

const blocked = (message: string): OriginError => new OriginError('MPE_OUTPUT_FORMAT_BLOCKED', message);

function unspecified(isManifest: boolean): OriginError {
  return isManifest
    ? new OriginError(
        'MPE_ENC_ENCRYPTION_NOT_SPECIFIED_IN_URL',
        'the streaming policy enables this protocol with encryption only, and the address names none',
      )
    : new OriginError(
        'MPE_ENC_ENCRYPTION_REQUIRED',
        'the streaming policy lets nothing through in the clear',
      );
}
