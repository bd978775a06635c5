import { type AttributeValue, escapeXml, xmlAttributes } from './xml-attributes.ts';

/** ContentProtection, ISO/IEC 23009-1 §5.8.4.1, with elements of other namespaces. */
export interface ContentProtection {
  readonly schemeIdUri: string;
  readonly value?: string;
  /** `cenc:default_KID` */
  readonly defaultKeyId?: string;
  readonly children: readonly ProtectionElement[];
}

export interface ProtectionElement {
  /** With one of the prefixes below. */
  readonly name: `${keyof typeof NAMESPACES}:${string}`;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly text?: string;
}

/** The prefixes too are what players know them by. */
const NAMESPACES = {
  cenc: 'urn:mpeg:cenc:2013',
  mspr: 'urn:microsoft:playready',
  ms: 'urn:microsoft',
  dashif: 'https://dashif.org/CPS',
  sea: 'urn:mpeg:dash:schema:sea:2012',
} as const;

/** Attributes that declare the namespaces that any of these use. */
export function protectionNamespaces(
  protections: readonly ContentProtection[],
): Readonly<Record<string, string>> {
  const used = new Set(protections.flatMap(({ children }) => children.map(({ name }) => prefixOf(name))));
  if (protections.some(({ defaultKeyId }) => defaultKeyId !== undefined)) used.add('cenc');
  return Object.fromEntries(
    Object.entries(NAMESPACES)
      .filter(([prefix]) => used.has(prefix))
      .map(([prefix, uri]) => [`xmlns:${prefix}`, uri]),
  );
}

/** Lines of text, indented. `declarations` are attributes such as namespaces that nothing around declares. */
export function contentProtectionLines(
  protection: ContentProtection,
  indent: string,
  declarations: Readonly<Record<string, string>> = {},
): string[] {
  const attributes = {
    ...declarations,
    schemeIdUri: protection.schemeIdUri,
    value: protection.value,
    'cenc:default_KID': protection.defaultKeyId,
  };
  const start = `${indent}<ContentProtection${xmlAttributes(attributes)}`;
  if (protection.children.length === 0) return [`${start}/>`];
  return [
    `${start}>`,
    ...protection.children.map(({ name, attributes: own = {}, text }) => {
      const child = `${indent}  <${name}${xmlAttributes(own)}`;
      return text === undefined ? `${child}/>` : `${child}>${escapeXml(text)}</${name}>`;
    }),
    `${indent}</ContentProtection>`,
  ];
}

function prefixOf(name: string): string {
  return name.slice(0, name.indexOf(':'));
}
