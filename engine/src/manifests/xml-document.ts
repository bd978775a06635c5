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
}

const ATTRIBUTES = ':@';
const ELEMENTS_MAX = 200_000;
const DEPTH_MAX = 64;

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  removeNSPrefix: true,
  parseAttributeValue: false,
  parseTagValue: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: DEPTH_MAX,
});

/** The root element of a document. One with a document type is refused: nothing here needs it. Throws `MalformedXml`. */
export function parseXml(text: string): XmlElement {
  if (/<!DOCTYPE/i.test(text)) throw new MalformedXml('a document type is not allowed');
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw new MalformedXml(`line ${valid.err.line}: ${valid.err.msg}`);
  const budget = { elements: ELEMENTS_MAX };
  const [root, ...others] = readElements(parseTree(text), budget);
  if (root === undefined || others.length > 0) throw new MalformedXml('one root element is expected');
  return root;
}

function parseTree(text: string): unknown {
  try {
    const tree: unknown = parser.parse(text);
    return tree;
  } catch (cause) {
    throw Object.assign(new MalformedXml('the document cannot be read'), { cause });
  }
}

/** The parser's own shape: `[{ tag: [children], ':@': { attributes } }, { '#text': … }]`. */
function readElements(list: unknown, budget: { elements: number }): XmlElement[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((node: unknown) => {
    const entries = Object.entries(Object(node));
    const [tag] = entries.filter(([key]) => key !== ATTRIBUTES);
    if (tag === undefined || tag[0].startsWith('#')) return [];
    budget.elements -= 1;
    if (budget.elements < 0) throw new MalformedXml(`more than ${ELEMENTS_MAX} elements`);
    const attributes = Object.entries(Object(Reflect.get(Object(node), ATTRIBUTES)));
    return {
      name: tag[0],
      attributes: Object.fromEntries(attributes.map(([key, value]) => [key, String(value)])),
      children: readElements(tag[1], budget),
    };
  });
}
