import { XMLParser, XMLValidator } from 'fast-xml-parser';

/** A text that is no XML, or XML of a kind that is not read here. */
export class MalformedXml extends Error {
  readonly code = 'MalformedXml';
  constructor(reason: string) {
    super(reason);
    this.name = 'MalformedXml';
  }
}

export interface XmlElement {
  /** Without its namespace's prefix. */
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Elements and text in their order, of `parseXmlWithText` and where there is text. */
  readonly mixed?: readonly (XmlElement | string)[];
}

const ATTRIBUTES = ':@';
const ELEMENTS_MAX = 200_000;
const DEPTH_MAX = 64;

const OPTIONS = {
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  removeNSPrefix: true,
  parseAttributeValue: false,
  parseTagValue: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: DEPTH_MAX,
} as const;
const parser = new XMLParser(OPTIONS);
const textParser = new XMLParser({ ...OPTIONS, trimValues: false, htmlEntities: true });

/** The root element of a document. One with a document type is refused: nothing here needs it. Throws `MalformedXml`. */
export function parseXml(text: string): XmlElement {
  return parseDocument(text, parser);
}

/** The same, with what stands between the elements. Throws `MalformedXml`. */
export function parseXmlWithText(text: string): XmlElement {
  return parseDocument(text, textParser);
}

function parseDocument(text: string, by: XMLParser): XmlElement {
  if (/<!DOCTYPE/i.test(text)) throw new MalformedXml('a document type is not allowed');
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw new MalformedXml(`line ${valid.err.line}: ${valid.err.msg}`);
  const budget = { elements: ELEMENTS_MAX };
  const [root, ...others] = readElements(parseTree(text, by), budget);
  if (root === undefined || others.length > 0) throw new MalformedXml('one root element is expected');
  return root;
}

function parseTree(text: string, by: XMLParser): unknown {
  try {
    const tree: unknown = by.parse(text);
    return tree;
  } catch (cause) {
    throw Object.assign(new MalformedXml('the document cannot be read'), { cause });
  }
}

/** The parser's own shape: `[{ tag: [children], ':@': { attributes } }, { '#text': … }]`. */
function readElements(list: unknown, budget: { elements: number }): XmlElement[] {
  return readNodes(list, budget).filter((node) => typeof node !== 'string');
}

function readNodes(list: unknown, budget: { elements: number }): (XmlElement | string)[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((node: unknown): (XmlElement | string)[] => {
    const entries = Object.entries(Object(node));
    const [tag] = entries.filter(([key]) => key !== ATTRIBUTES);
    if (tag === undefined) return [];
    if (tag[0] === '#text') return [String(tag[1])];
    if (tag[0].startsWith('#')) return [];
    budget.elements -= 1;
    if (budget.elements < 0) throw new MalformedXml(`more than ${ELEMENTS_MAX} elements`);
    const attributes = Object.entries(Object(Reflect.get(Object(node), ATTRIBUTES)));
    const nodes = readNodes(tag[1], budget);
    return [
      {
        name: tag[0],
        attributes: Object.fromEntries(attributes.map(([key, value]) => [key, String(value)])),
        children: nodes.filter((child) => typeof child !== 'string'),
        ...(nodes.some((child) => typeof child === 'string') ? { mixed: nodes } : {}),
      },
    ];
  });
}
