import type { z } from 'zod';

export interface Route {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  readonly answer?: z.ZodType;
  readonly status: number;
  readonly kind: 'resource' | 'list' | 'operation' | 'plain';
  readonly query?: readonly ('limit' | 'after' | 'state' | 'label' | 'recording' | 'token' | 'playlist')[];
  readonly anonymous?: true;
}
