import { z } from 'zod';
import { ERRORS } from '../domain/errors.ts';
import { ProblemAnswer } from './answers.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): object => {
  const {
    $schema: _dialect,
    id: _id,
    ...rest
  } = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any' });
  return rest;
};
const content = (schema: object, type = 'application/json') => ({ [type]: { schema } });

const QUERY = {
  limit: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
  after: { type: 'string', description: 'from a `next` link' },
  state: { type: 'string' },
  label: { type: 'string', description: 'key:value' },
  token: { type: 'string', description: 'of POST /playback-tokens' },
  playlist: { type: 'string', description: 'from a playlist of this address' },
  recording: { type: 'string', enum: ['keep', 'delete'], default: 'keep' },
} as const;

/** The OpenAPI 3.1 document, made from the schemas that validate. */
export function openapiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, route] of Object.entries<Route>(ROUTES)) {
    const item = paths[route.path] ?? {};
    item[route.method.toLowerCase()] = operationOf(name, route);
    paths[route.path] = item;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Headend',
      version: '1',
      description: 'Live streaming: say what you want, read what is so.',
    },
    servers: [{ url: '/api/v1' }],
    security: [{ functionKey: [] }],
    paths,
    components: {
      securitySchemes: { functionKey: { type: 'apiKey', in: 'header', name: 'x-functions-key' } },
      schemas: { Problem: schemaOf(ProblemAnswer, 'output') },
    },
    'x-error-codes': ERRORS,
  };
}

function operationOf(name: string, route: Route): object {
  const params = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const query = (route.query ?? []).map((parameter) => ({
    name: parameter,
    in: 'query',
    schema: QUERY[parameter],
  }));
  const ifMatch =
    route.method === 'GET' ? [] : [{ name: 'If-Match', in: 'header', schema: { type: 'string' } }];
  const prefer =
    route.kind === 'operation'
      ? [{ name: 'Prefer', in: 'header', schema: { type: 'string' }, description: 'wait=n, n ≤ 10' }]
      : [];
  const success = {
    description: route.summary,
    ...(route.answer === undefined ? {} : { content: content(answerSchema(route, route.answer)) }),
  };
  const problem = {
    description: 'a problem',
    content: content({ $ref: '#/components/schemas/Problem' }, 'application/problem+json'),
  };
  const created = route.method === 'PUT' ? { 201: success } : {};
  const done = route.status === 202 ? { 200: success } : {};
  return {
    operationId: name,
    summary: route.summary,
    ...(route.anonymous === true ? { security: [] } : {}),
    parameters: [...params, ...query, ...ifMatch, ...prefer],
    ...(route.body === undefined ? {} : { requestBody: { content: content(schemaOf(route.body, 'input')) } }),
    responses: { [route.status]: success, ...created, ...done, default: problem },
  };
}

function answerSchema(route: Route, answer: z.ZodType): object {
  const schema = schemaOf(answer, 'output');
  if (route.kind !== 'list') return schema;
  return {
    type: 'object',
    required: ['items'],
    properties: { items: { type: 'array', items: schema }, next: { type: 'string', format: 'uri' } },
  };
}
