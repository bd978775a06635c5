import {
  constants,
  createCipheriv,
  createHmac,
  publicEncrypt,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { DOMParser, type Element } from '@xmldom/xmldom';

const CPIX = 'urn:dashif:org:cpix';
const SIGNATURES = 'http://www.w3.org/2000/09/xmldsig#';
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SYSTEMS: ReadonlySet<string> = new Set([
  'edef8ba9-79d6-4ace-a3c8-27dcd51d21ed',
  '9a04f079-9840-4286-ab92-e65be0885f95',
  '94ce86fb-07ff-4f43-adb8-93d2fa968ca2',
  'e2719d58-a985-b3c9-781a-b030af78d30e',
]);
/** The order of a DRM system's children in CPIX 2.3 (§5.3.7), as far as SPEKE 2.0 uses them. */
const SIGNALING = [
  'PSSH',
  'ContentProtectionData',
  'HLSSignalingData',
  'SmoothStreamingProtectionHeaderData',
];

export interface CpixServer {
  readonly url: string;
  readonly requests: {
    contentId: string;
    scheme: string;
    tracks: readonly string[];
    systems: readonly string[];
  }[];
  /** Of answers that are encrypted. */
  damage: Damage;
  /** What it answers instead, as long as it is there. */
  instead: { status: number; body: string; headers?: Record<string, string> } | undefined;
  /** The key that it has for a content's key id, in base64. */
  keyOf(contentId: string, kid: string): string;
  close(): Promise<void>;
}

class Unprocessable extends Error {}

/** A fault in the request as SPEKE 2.0's key services tell it: 422 with a sentence. */
function must(condition: boolean, fault: string): void {
  if (!condition) throw new Unprocessable(fault);
}

const childrenOf = (parent: Element, name?: string): Element[] =>
  Array.from(parent.childNodes).filter(
    (node): node is Element =>
      node.nodeType === 1 && (name === undefined || (node as Element).localName === name),
  );

const attributeNames = (element: Element): string[] =>
  Array.from(element.attributes)
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('xmlns'))
    .sort();

function listOf(root: Element, list: string, item: string): Element[] {
  const [found] = childrenOf(root, list);
  if (found === undefined) throw new Unprocessable(`Missing CPIX.${list}`);
  const items = childrenOf(found);
  must(items.length > 0 && items.every(({ localName }) => localName === item), `${list} has ${item} only`);
  return items;
}

/**
 * Reads a request by the rules of CPIX 2.3 and of SPEKE 2.0 (its constraints, payload components and encryption
 * contract), written down here: namespaces, mandatory lists in the schema's order, attributes, unique ids, one scheme
 * per document, one usage rule per key whose filters fit its track type.
 */
function readRequest(text: string) {
  const faults: string[] = [];
  const root = new DOMParser({ onError: (_level, message) => faults.push(message) }).parseFromString(
    text,
    'application/xml',
  ).documentElement;
  if (root === null || faults.length > 0) throw new Unprocessable('Not XML');
  must(root.localName === 'CPIX' && root.namespaceURI === CPIX, 'Missing CPIX');
  must(/^.{1,256}$/.test(root.getAttribute('contentId') ?? ''), 'Missing CPIX@contentId');
  must(root.getAttribute('version') === '2.3', 'Unsupported CPIX@version');
  const lists = childrenOf(root).map(({ localName }) => localName);
  must(
    /^(DeliveryDataList,)?ContentKeyList,DRMSystemList,ContentKeyUsageRuleList$/.test(lists.join()),
    'Lists are missing or not in the order of the schema',
  );
  const certificates = lists[0] === 'DeliveryDataList' ? readRecipients(root) : [];
  for (const element of Array.from(root.getElementsByTagName('*')))
    must(
      element.namespaceURI === (element.localName?.startsWith('X509') ? SIGNATURES : CPIX),
      `${element.nodeName} is not of CPIX`,
    );
  const keys = listOf(root, 'ContentKeyList', 'ContentKey');
  const kids = keys.map((key) => key.getAttribute('kid') ?? '');
  must(kids.every((kid) => GUID.test(kid)) && new Set(kids).size === kids.length, 'ContentKey@kid');
  const schemes = new Set(keys.map((key) => key.getAttribute('commonEncryptionScheme') ?? ''));
  const [scheme = ''] = schemes;
  must(['cenc', 'cbcs', 'cens', 'cbc1'].includes(scheme), 'Missing ContentKey@commonEncryptionScheme');
  must(schemes.size === 1, 'Mixed encryption schemes');
  must(
    keys.every((key) => childrenOf(key).length === 0),
    'A request has no keys',
  );
  const systems = listOf(root, 'DRMSystemList', 'DRMSystem');
  for (const system of systems) checkSystem(system, kids);
  const pairs = systems.map((system) => `${system.getAttribute('kid')} ${system.getAttribute('systemId')}`);
  must(new Set(pairs).size === pairs.length, 'A DRMSystem is there twice');
  const rules = listOf(root, 'ContentKeyUsageRuleList', 'ContentKeyUsageRule');
  must(rules.map((rule) => rule.getAttribute('kid')).join() === kids.join(), 'One rule for each key');
  const tracks = rules.map(checkRule);
  must(new Set(tracks).size === tracks.length, 'intendedTrackType has to be unique');
  const systemIds = new Set(systems.map((system) => system.getAttribute('systemId') ?? ''));
  const contentId = root.getAttribute('contentId') ?? '';
  return { contentId, scheme, kids, tracks, systems: [...systemIds], certificates };
}

/** SPEKE 2.0: recipients have certificates of RSA keys of 2048 bits. */
function readRecipients(root: Element): readonly X509Certificate[] {
  return listOf(root, 'DeliveryDataList', 'DeliveryData').map((data) => {
    let [element] = childrenOf(data, 'DeliveryKey');
    for (const name of ['X509Data', 'X509Certificate']) {
      element = element && childrenOf(element, name)[0];
    }
    must(childrenOf(data).length === 1 && element !== undefined, 'DeliveryData has a DeliveryKey');
    const certificate = new X509Certificate(Buffer.from(element?.textContent ?? '', 'base64'));
    must(certificate.publicKey.asymmetricKeyDetails?.modulusLength === 2048, 'RSA of 2048 bits');
    return certificate;
  });
}

const ENCRYPTION = 'http://www.w3.org/2001/04/xmlenc#';

/** Base64 as XML writers break it. */
const wrapped = (bytes: Buffer): string => bytes.toString('base64').replace(/.{64}/g, '$&\n');

const encryptedValue = (algorithm: string, value: Buffer): string =>
  `<pskc:EncryptedValue><enc:EncryptionMethod Algorithm="${ENCRYPTION}${algorithm}"/><enc:CipherData><enc:CipherValue>
    ${wrapped(value)}</enc:CipherValue></enc:CipherData></pskc:EncryptedValue>`;

/** How an answer is encrypted; what is wrong with it, for those who have to notice. */
export interface Damage {
  readonly certificate?: X509Certificate;
  readonly value?: (encrypted: Buffer) => Buffer;
  readonly mac?: (mac: Buffer) => Buffer;
  readonly plain?: boolean;
}

/** The keys of one document for its recipients, as CPIX 2.3 and SPEKE 2.0 have it. */
function encryptFor(certificates: readonly X509Certificate[], damage: Damage) {
  const [documentKey, macKey] = [randomBytes(32), randomBytes(64)];
  const wrap = ({ publicKey }: X509Certificate, key: Buffer) => {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    return encryptedValue(
      'rsa-oaep-mgf1p',
      publicEncrypt({ key: publicKey, padding, oaepHash: 'sha1' }, key),
    );
  };
  const deliveries = certificates.map((asked) => {
    const { certificate = asked } = damage;
    return `<cpix:DeliveryData id="headend"><cpix:DeliveryKey><ds:X509Data><ds:X509Certificate>${wrapped(asked.raw)}</ds:X509Certificate></ds:X509Data></cpix:DeliveryKey>
      <cpix:DocumentKey Algorithm="${ENCRYPTION}aes256-cbc"><cpix:Data><pskc:Secret>${wrap(certificate, documentKey)}</pskc:Secret></cpix:Data></cpix:DocumentKey>
      <cpix:MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha512"><cpix:Key>${wrap(certificate, macKey)}</cpix:Key></cpix:MACMethod></cpix:DeliveryData>`;
  });
  const secret = (key: Buffer): string => {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', documentKey, iv);
    const encrypted = Buffer.concat([iv, cipher.update(key), cipher.final()]);
    const mac = createHmac('sha512', macKey).update(encrypted).digest();
    const [value, signature] = [damage.value?.(encrypted) ?? encrypted, damage.mac?.(mac) ?? mac];
    return `${encryptedValue('aes256-cbc', value)}<pskc:ValueMAC>${wrapped(signature)}</pskc:ValueMAC>`;
  };
  const list = `<cpix:DeliveryDataList xmlns:enc="${ENCRYPTION}" xmlns:ds="${SIGNATURES}">${deliveries.join('')}</cpix:DeliveryDataList>`;
  return { list, secret };
}

function checkSystem(system: Element, kids: readonly string[]): void {
  must(attributeNames(system).join() === 'kid,systemId', 'DRMSystem has a kid and a systemId');
  must(kids.includes(system.getAttribute('kid') ?? ''), 'DRMSystem@kid is not in the list');
  must(SYSTEMS.has(system.getAttribute('systemId') ?? ''), 'DRMSystem@systemId');
  const children = childrenOf(system);
  const order = children.map(({ localName }) => SIGNALING.indexOf(localName ?? ''));
  must(
    !order.includes(-1) && order.every((at, index) => at >= (order[index - 1] ?? 0)),
    'DRMSystem: children',
  );
  const playlists = children
    .filter(({ localName }) => localName === 'HLSSignalingData')
    .map((data) => data.getAttribute('playlist'));
  must(playlists.length === 0 || playlists.join() === 'media,master', 'HLSSignalingData@playlist');
}

function checkRule(rule: Element): string {
  const track = rule.getAttribute('intendedTrackType') ?? '';
  const filters = childrenOf(rule);
  must(
    filters.every((filter) => attributeNames(filter).length === 0),
    'Filters are without limits here',
  );
  const names = filters.map(({ localName }) => localName).sort();
  const wanted = new Map([
    ['ALL', 'AudioFilter,VideoFilter'],
    ['AUDIO', 'AudioFilter'],
    ['VIDEO', 'VideoFilter'],
  ]).get(track);
  must(names.join() === wanted, `Filters do not fit intendedTrackType ${track}`);
  return track;
}

/** A key service of SPEKE 2.0 on a free loopback port: the same content and key id have the same key, as a vendor's. */
export async function startCpixServer(authorization: string): Promise<CpixServer> {
  const requests: CpixServer['requests'] = [];
  const state: Pick<CpixServer, 'instead' | 'damage'> = { instead: undefined, damage: {} };
  const keyOf = (contentId: string, kid: string): string =>
    createHmac('sha256', 'the vendor’s')
      .update(`${contentId} ${kid}`)
      .digest()
      .subarray(0, 16)
      .toString('base64');

  function answer(text: string): string {
    const { kids, certificates, ...request } = readRequest(text);
    requests.push(request);
    const { damage } = state;
    const encryption = certificates.length === 0 ? undefined : encryptFor(certificates, damage);
    const secretOf = (value: string) =>
      encryption === undefined || damage.plain === true
        ? `<pskc:PlainValue>${value}</pskc:PlainValue>`
        : encryption.secret(Buffer.from(value, 'base64'));
    const keys = kids.map(
      (kid) =>
        `<cpix:ContentKey explicitIV="OFj2IjCsPJFfMAxmQxLGPw==" kid="${kid}" commonEncryptionScheme="${request.scheme}"><cpix:Data xmlns:enc="${ENCRYPTION}">
          <pskc:Secret>${secretOf(keyOf(request.contentId, kid))}</pskc:Secret></cpix:Data></cpix:ContentKey>`,
    );
    return text
      .replace(/<cpix:DeliveryDataList>.*<\/cpix:DeliveryDataList>/s, encryption?.list ?? '')
      .replace(
        /<cpix:ContentKeyList>.*<\/cpix:ContentKeyList>/s,
        `<cpix:ContentKeyList>${keys.reverse().join('\n')}</cpix:ContentKeyList>`,
      )
      .replaceAll('<cpix:PSSH/>', '<cpix:PSSH>AAAANHBzc2gAAAAA</cpix:PSSH>');
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const speke = {
      'content-type': 'application/xml',
      'x-speke-version': '2.0',
      'x-speke-user-agent': 'test',
    };
    const { instead } = state;
    if (instead !== undefined) {
      response.writeHead(instead.status, { ...speke, ...instead.headers });
      response.end(instead.body);
      return;
    }
    const { method, headers } = request;
    if (headers['x-api-key'] !== authorization) {
      response.writeHead(403, speke).end(`no access with ${headers['x-api-key']}`);
      return;
    }
    try {
      must(method === 'POST' && headers['content-type'] === 'application/xml', 'POST application/xml');
      must(headers['x-speke-version'] === '2.0', 'Unsupported SPEKE version');
      const answered = answer(text);
      response.writeHead(200, speke).end(answered);
    } catch (error) {
      if (!(error instanceof Unprocessable)) throw error;
      response.writeHead(422, { ...speke, 'content-type': 'text/plain' }).end(error.message);
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return Object.assign(state, {
    url: `http://127.0.0.1:${address.port}/speke`,
    requests,
    keyOf,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
