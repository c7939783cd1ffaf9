import type { z } from 'zod';

export interface Answer {
  readonly description: string;
  /** Media types of the body, JSON where absent; a schema speaks of JSON only. */
  readonly mediaTypes?: readonly string[];
  readonly schema?: z.ZodType;
}

export interface RouteDescription {
  readonly summary: string;
  readonly description?: string;
  /** True for the routes that need no credential. */
  readonly isOpen?: boolean;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: z.ZodObject;
  readonly idempotencyKey?: 'required' | 'optional';
  readonly json?: z.ZodType;
  /** Bodies that are not JSON. */
  readonly streams?: readonly string[];
  readonly answers: Readonly<Record<number, Answer>>;
}

/** A handler as its decorator got it, and what was said of it. */
export interface DescribedRoute {
  readonly target: object;
  readonly key: string | symbol;
  readonly descriptor: PropertyDescriptor;
  readonly route: RouteDescription;
}

/** In the order of their definition. */
export const describedRoutes: DescribedRoute[] = [];

/**
 * What the OpenAPI document says of a route; the zod schemas are those that check the call. Only
 * noted here: the libraries that make the document are half of a server's start.
 */
export function Describes(route: RouteDescription): MethodDecorator {
  return (target, key, descriptor) => {
    describedRoutes.push({ target, key, descriptor, route });
  };
}
