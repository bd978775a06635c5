import { addedLater } from './added-later.mjs';
import { createReader } from './definitions.mjs';

/** Where the reference knows more than the specification. Key: `Definition.property`. */
const OVERRIDES = {
  // Set by the service only, though not marked so.
  'LiveEventInput.endpoints': 'readOnly',
  'LiveEventPreview.endpoints': 'readOnly',
  'LiveEventInput.timedMetadataEndpoints': 'readOnly',
  'PrivateEndpointConnectionProperties.provisioningState': 'readOnly',
  // Long texts.
  'CrossSiteAccessPolicies.clientAccessPolicy': 'document',
  'CrossSiteAccessPolicies.crossDomainPolicy': 'document',
  'ContentKeyPolicyWidevineConfiguration.widevineTemplate': 'document',
  'ContentKeyPolicyPlayReadyConfiguration.responseCustomData': 'document',
  'ContentKeyPolicyFairPlayConfiguration.fairPlayPfx': 'document',
  'MediaServiceUpdate.tags': 'tags',
};

/** Quotas of the documentation, as the longest list that a field takes. */
const ITEMS_MAX = {
  'MediaServiceProperties.storageAccounts': 100,
  'JobInputs.inputs': 50,
  'JobProperties.outputs': 20,
  'TransformProperties.outputs': 20,
};

/** A job's inputs may not hold a job's inputs again: the only recursion of the specifications, cut here. */
const NOT_INSIDE = { JobInputs: ['JobInputs'] };

/** The module of a service: its newest api-version, every definition that a request body reaches. */
export function zodModule(versions, load) {
  const newest = versions.at(-1);
  const reader = createReader(newest.files, load);
  const emitted = new Map();
  const used = new Set();
  const lines = [];

  const use = (name) => {
    used.add(name);
    return name;
  };
  const emit = (name, expression) => {
    if (emitted.has(name)) throw new Error(`${name} is defined twice`);
    emitted.set(name, expression);
    lines.push(`export const ${name} = ${expression};\n`);
  };
  const started = new Set();

  function scalar(schema) {
    if (schema.enum !== undefined) return `z.enum(${JSON.stringify(schema.enum)})`;
    const limits = [
      ['minLength', 'min'],
      ['maxLength', 'max'],
      ['minimum', 'min'],
      ['maximum', 'max'],
    ]
      .filter(([key]) => schema[key] !== undefined)
      .map(([key, method]) => `.${method}(${schema[key]})`)
      .join('');
    if (schema.pattern !== undefined) throw new Error(`a pattern needs a safe equivalent: ${schema.pattern}`);
    switch (`${schema.type}/${schema.format ?? ''}`) {
      case 'string/':
        return use('text') + limits;
      case 'string/uuid':
        return use('guid');
      case 'string/byte':
        return use('base64');
      case 'string/date-time':
        return use('dateTime');
      case 'string/duration':
        return use('duration');
      case 'integer/int32':
        return use('int32') + limits;
      case 'integer/int64':
        return use('int64') + limits;
      case 'number/float':
      case 'number/double':
        return use('number') + limits;
      case 'boolean/':
        return 'z.boolean()';
      default:
        throw new Error(`no schema for ${JSON.stringify(schema)}`);
    }
  }

  function expressionOf(schema, file, at) {
    const found = reader.resolve(schema, file);
    if (found.name !== undefined) return reference(found, at);
    if (schema.type === 'array') {
      const max = schema.maxItems ?? ITEMS_MAX[at] ?? use('ITEMS_MAX');
      const min = schema.minItems === undefined ? '' : `.min(${schema.minItems})`;
      return `z.array(${expressionOf(schema.items, file, at)})${min}.max(${max})`;
    }
    if (schema.additionalProperties !== undefined) {
      return `${use('map')}(${expressionOf(schema.additionalProperties, file, at)})`;
    }
    return scalar(schema);
  }

  function reference(found, at) {
    const { name, schema } = found;
    if (schema.type === 'string') return scalar(schema);
    if (schema.additionalProperties !== undefined) return expressionOf(schema, found.file, name);
    const inside = at.split('.')[0];
    const members = reader.membersOf(name);
    if (members === undefined) {
      object(found, name);
      return name;
    }
    const left = members.filter((member) => !NOT_INSIDE[inside]?.includes(member.name));
    const variable = left.length === members.length ? name : `${name}In${inside}`;
    if (!started.has(variable)) {
      started.add(variable);
      const variants = left.map((member) => {
        // A definition which others extend is a union wherever it is referred to; here it is only itself.
        const constant = reader.isExtended(member.name) ? `${member.name}Itself` : member.name;
        object(member, constant);
        return constant;
      });
      emit(variable, `z.discriminatedUnion('@odata.type', [${variants.join(', ')}])`);
    }
    return variable;
  }

  function object(found, constant) {
    if (started.has(constant)) return;
    started.add(constant);
    const fields = reader.propertiesOf(found);
    const isResource = ['ProxyResource', 'TrackedResource', 'Resource'].some((base) =>
      reader.basesOf(found).includes(base),
    );
    const parts = isResource ? [`...${use('envelope')}`] : [];
    for (const { property, schema, required, file, owner } of fields) {
      if (isResource && ['id', 'name', 'type', 'systemData'].includes(property)) continue;
      parts.push(`${JSON.stringify(property)}: ${field(found, property, schema, required, file, owner)}`);
    }
    emit(constant, `z.strictObject({${parts.join(', ')}})`);
  }

  function field(found, property, schema, required, file, owner) {
    const at = `${owner}.${property}`;
    if (property === '@odata.type') return `z.literal(${JSON.stringify(found.discriminatorValue)})`;
    const override = owner === 'TrackedResource' && property === 'tags' ? 'tags' : OVERRIDES[at];
    if (schema.readOnly === true || override === 'readOnly') return use('readOnly');
    const expression = override === undefined ? expressionOf(schema, file, at) : use(override);
    return required ? expression : `${expression}.nullish()`;
  }

  /** PATCH: what is not sent stays, so nothing on the first two levels is required. */
  function emitPatch(body) {
    const fields = reader.propertiesOf(body);
    const properties = fields.find(({ property }) => property === 'properties');
    const inner = reader.resolve(properties.schema, properties.file);
    if (![...fields, ...reader.propertiesOf(inner)].some(({ required }) => required)) return;
    emit(
      `${body.name}Patch`,
      `${body.name}.extend({ properties: ${inner.name}.partial().nullish() }).partial()`,
    );
  }

  for (const body of reader.bodies()) {
    object(body, body.name);
    if (body.isPatched) emitPatch(body);
  }

  const imports = [...used].sort().join(', ');
  return {
    source: `// Generated by scripts/import-contract.mjs from the official specifications (api-version ${newest.version}); do not edit.
import { z } from 'zod';
import { ${imports} } from './primitives.ts';

${lines.join('\n')}`,
    later: addedLater(versions, load),
  };
}
