import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser';
import { z } from 'zod';
import type { KeySystem } from '../../workflows/key-provider.ts';
import { DeliveryDataList, type Recipient, type SecretReader, secretReader } from './cpix-encryption.ts';

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const DEPTH_MAX = 32;
const KEYS_MAX = 100;
const KEY_BYTES = 16;

/** The version of CPIX that SPEKE 2.0 is bound to. */
const CPIX_VERSION = '2.3';
const NAMESPACES = {
  '@xmlns:cpix': 'urn:dashif:org:cpix',
  '@xmlns:pskc': 'urn:ietf:params:xml:ns:keyprov:pskc',
};

const XML_SIGNATURES = { '@xmlns:ds': 'http://www.w3.org/2000/09/xmldsig#' };

/** System ids as registered with the DASH Industry Forum. */
const SYSTEM_IDS: Readonly<Record<Exclude<KeySystem, 'aes128'>, string>> = {
  widevine: 'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed',
  playReady: '9a04f079-9840-4286-ab92-e65be0885f95',
  fairPlay: '94ce86fb-07ff-4f43-adb8-93d2fa968ca2',
  clearKey: 'e2719d58-a985-b3c9-781a-b030af78d30e',
};

interface DocumentKey {
  readonly kid: string;
  readonly track: 'ALL' | 'AUDIO' | 'VIDEO';
}

export interface CpixRequest {
  readonly contentId: string;
  readonly scheme: 'cenc' | 'cbcs';
  readonly keys: readonly DocumentKey[];
  readonly systems: readonly KeySystem[];
  /** Of whom keys are encrypted for, DER in base64; undefined: nobody. */
  readonly certificate?: string | undefined;
}

const builder = new XMLBuilder({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  suppressEmptyNode: true,
});

/** A request for content keys as SPEKE 2.0 has it: keys with their scheme, key systems, and which tracks each is for. */
export function writeCpixRequest(request: CpixRequest): string {
  const { contentId, scheme, keys, systems, certificate } = request;
  return `<?xml version="1.0" encoding="UTF-8"?>${builder.build({
    'cpix:CPIX': {
      '@contentId': contentId,
      '@version': CPIX_VERSION,
      ...NAMESPACES,
      ...(certificate === undefined ? {} : { ...XML_SIGNATURES, ...deliveryData(certificate) }),
      'cpix:ContentKeyList': {
        'cpix:ContentKey': keys.map(({ kid }) => ({ '@kid': kid, '@commonEncryptionScheme': scheme })),
      },
      'cpix:DRMSystemList': { 'cpix:DRMSystem': keys.flatMap(({ kid }) => drmSystems(kid, systems)) },
      'cpix:ContentKeyUsageRuleList': { 'cpix:ContentKeyUsageRule': keys.map(usageRule) },
    },
  })}`;
}

const deliveryData = (certificate: string): object => ({
  'cpix:DeliveryDataList': {
    'cpix:DeliveryData': {
      '@id': 'headend',
      'cpix:DeliveryKey': { 'ds:X509Data': { 'ds:X509Certificate': certificate } },
    },
  },
});

function drmSystems(kid: string, systems: readonly KeySystem[]): readonly object[] {
  return systems.flatMap((system): object[] => {
    if (system === 'aes128') return [];
    const ids = { '@kid': kid, '@systemId': SYSTEM_IDS[system] };
    if (system !== 'fairPlay') return [{ ...ids, 'cpix:PSSH': '' }];
    const signaling = ['media', 'master'].map((playlist) => ({ '@playlist': playlist }));
    return [{ ...ids, 'cpix:HLSSignalingData': signaling }];
  });
}

const usageRule = ({ kid, track }: DocumentKey): object => ({
  '@kid': kid,
  '@intendedTrackType': track,
  ...(track === 'AUDIO' ? {} : { 'cpix:VideoFilter': '' }),
  ...(track === 'VIDEO' ? {} : { 'cpix:AudioFilter': '' }),
});

const LISTS: ReadonlySet<string> = new Set(['ContentKey', 'DeliveryData']);
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseAttributeValue: false,
  parseTagValue: false,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: DEPTH_MAX,
  isArray: (name) => LISTS.has(name),
});

const Secret = z.object({
  PlainValue: z.string().optional(),
  EncryptedValue: z.unknown().optional(),
  ValueMAC: z.unknown().optional(),
});
const Answer = z.object({
  CPIX: z.object({
    DeliveryDataList: z.unknown().optional(),
    ContentKeyList: z.object({
      ContentKey: z
        .array(
          z.object({
            '@kid': z.string().max(64),
            '@commonEncryptionScheme': z.string().max(16).optional(),
            Data: z.object({ Secret }).optional(),
          }),
        )
        .max(KEYS_MAX),
    }),
  }),
});

export type CpixAnswer =
  | { readonly kind: 'keys'; readonly values: ReadonlyMap<string, string> }
  /** What is wrong with it, without anything of it. */
  | { readonly kind: 'wrong'; readonly why: string };

const wrong = (why: string): CpixAnswer => ({ kind: 'wrong', why });

/**
 * The keys of an answer by key id (lower case); values are 16 bytes in base64. With a recipient each of them has to be
 * encrypted for it, else none may be. Anything in it may be hostile.
 */
export function readCpixAnswer(text: string, scheme: 'cenc' | 'cbcs', recipient?: Recipient): CpixAnswer {
  // A document type could define entities; CPIX has none.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) return wrong('it has a document type');
  if (XMLValidator.validate(text) !== true) return wrong('it is not XML');
  const parsed = Answer.safeParse(parseTree(text));
  if (!parsed.success) return wrong('it is not a CPIX document with content keys');
  const { ContentKeyList, DeliveryDataList: deliveries } = parsed.data.CPIX;
  const read = recipient === undefined ? undefined : readerFor(deliveries, recipient);
  if (recipient !== undefined && read === undefined) return wrong('it is not encrypted for our certificate');
  const values = new Map<string, string>();
  for (const key of ContentKeyList.ContentKey) {
    const kid = key['@kid'].toLowerCase();
    const value = values.has(kid) ? { fault: 'a key id is there twice' } : keyValueOf(key, scheme, read);
    if (typeof value !== 'string') return wrong(value.fault);
    values.set(kid, value);
  }
  return { kind: 'keys', values };
}

function readerFor(deliveries: unknown, recipient: Recipient): SecretReader | undefined {
  const parsed = DeliveryDataList.safeParse(deliveries);
  return parsed.success ? secretReader(parsed.data, recipient) : undefined;
}

type AnsweredKey = z.output<typeof Answer>['CPIX']['ContentKeyList']['ContentKey'][number];
type Fault = { readonly fault: string };

function keyValueOf(key: AnsweredKey, scheme: string, read: SecretReader | undefined): string | Fault {
  if (!GUID.test(key['@kid'].toLowerCase())) return { fault: 'a key id is no GUID' };
  // SPEKE 2.0: what the request said of a key, the answer says too.
  if (key['@commonEncryptionScheme'] !== scheme) return { fault: `a key is not for ${scheme}` };
  const secret = key.Data?.Secret;
  if (read !== undefined) {
    if (secret?.EncryptedValue === undefined) return { fault: 'a key is not encrypted' };
    const bytes = read(secret);
    if (bytes === undefined) return { fault: 'a key’s signature is wrong' };
    return bytes.length === KEY_BYTES ? bytes.toString('base64') : NO_KEY;
  }
  if (secret?.EncryptedValue !== undefined)
    return { fault: 'its keys are encrypted, which nobody has asked for' };
  const value = secret?.PlainValue?.trim() ?? '';
  const isKey = z.base64().safeParse(value).success && Buffer.from(value, 'base64').length === KEY_BYTES;
  return isKey ? value : NO_KEY;
}

const NO_KEY: Fault = { fault: `a key has no value of ${KEY_BYTES} bytes` };

function parseTree(text: string): unknown {
  try {
    return parser.parse(text);
  } catch {
    return undefined;
  }
}
