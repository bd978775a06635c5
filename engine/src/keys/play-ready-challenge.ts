import { XMLParser } from 'fast-xml-parser';
import { readToken, type TokenText } from './bearer-token.ts';
import { KeyDeliveryError } from './key-delivery-error.ts';

const KEYS_MAX = 32;
const DEPTH_MAX = 32;
const NODES_MAX = 10_000;
/** A GUID of 16 bytes in base64. */
const KEY_ID = /^[A-Za-z0-9+/]{22}==$/;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** Entities are left as they are: nothing in a challenge may be expanded; `customDataToken` reads the five of XML. */
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  processEntities: false,
  parseTagValue: false,
  parseAttributeValue: false,
});

export interface PlayReadyChallenge {
  /** GUIDs in lower case: what the licenses are asked for. */
  readonly keyIds: readonly string[];
  /** Of the original's `CustomData` (reference §4.2). */
  readonly token: TokenText;
}

/** Reads a PlayReady license challenge (SOAP); throws `KeyDeliveryError`. */
export function parsePlayReadyChallenge(body: Uint8Array): PlayReadyChallenge {
  const document = parseXml(textOf(body));
  const headers = elements(document, 'WRMHEADER');
  const keyIds = headers.flatMap((header) => elements(header, 'KID')).flatMap(keyIdOf);
  if (keyIds.length === 0 || keyIds.length > KEYS_MAX) {
    throw new KeyDeliveryError('MalformedRequest', 'no key ids in the challenge');
  }
  const [customData] = elements(document, 'CustomData');
  return { keyIds: [...new Set(keyIds)], token: customDataToken(customData) };
}

/** UTF-8, or UTF-16 with its mark. */
function textOf(body: Uint8Array): string {
  const encoding = body[0] === 0xff && body[1] === 0xfe ? 'utf-16le' : 'utf-8';
  return new TextDecoder(encoding).decode(body);
}

function parseXml(text: string): unknown {
  try {
    return parser.parse(text);
  } catch (cause) {
    throw new KeyDeliveryError('MalformedRequest', 'the challenge is no XML', { cause });
  }
}

/** Every element of the name, wherever it is. */
function elements(root: unknown, name: string): readonly unknown[] {
  const found: unknown[] = [];
  let nodes = 0;
  const visit = (value: unknown, depth: number): void => {
    nodes += 1;
    if (depth > DEPTH_MAX || nodes > NODES_MAX) {
      throw new KeyDeliveryError('MalformedRequest', 'the challenge is too deep or has too many elements');
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      if (key === name) found.push(...[child].flat());
      visit(child, depth + 1);
    }
  };
  visit(root, 0);
  return found;
}

/** Version 4.0 has it as text, later ones in the attribute VALUE; its bytes are a GUID in Microsoft's order. */
function keyIdOf(element: unknown): readonly string[] {
  const text: unknown = typeof element === 'string' ? element : Reflect.get(Object(element), '@VALUE');
  if (typeof text !== 'string' || !KEY_ID.test(text.trim())) return [];
  const bytes = Buffer.from(text.trim(), 'base64');
  const swapped = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((at) => bytes[at] ?? 0);
  const hex = Buffer.from(swapped).toString('hex');
  return [[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')];
}

/** The data is XML as text within XML, or an element. */
function customDataToken(customData: unknown): TokenText {
  if (customData === undefined) return undefined;
  const inner = typeof customData === 'string' ? parseXml(unescaped(customData)) : customData;
  const [token] = elements(inner, 'Token');
  const text: unknown = typeof token === 'object' && token !== null ? Reflect.get(token, '#text') : token;
  return typeof text === 'string' ? readToken(undefined, unescaped(text)) : undefined;
}

const unescaped = (text: string): string =>
  text.replace(/&(lt|gt|amp|quot|apos);/g, (whole, name: string) => ENTITIES[name] ?? whole);
