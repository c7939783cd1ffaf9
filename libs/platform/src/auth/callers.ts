import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { CertmillError, type Credential } from '@certmill/domain';
import type { FastifyRequest } from 'fastify';
import type { ApiKeys } from './api-keys.js';
import { permissionsOf, type Permission } from './roles.js';

interface AuthorizedRoute {
  readonly permission?: Permission;
}

/**
 * What the caller's role must allow. A route without it is open: health, metrics, the OpenAPI file.
 * It stands in the route's own configuration, so that it is known before the body is read.
 */
export const Needs = (permission: Permission): MethodDecorator =>
  applyDecorators(RouteConfig({ permission } satisfies AuthorizedRoute));

const callers = new WeakMap<object, Credential>();

/** The credential that `authorize` found. A route that takes it is closed where there is none. */
export const Caller = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Credential => {
    const caller = callerOf(context.switchToHttp().getRequest<FastifyRequest>());
    if (caller === undefined)
      throw new CertmillError('UNAUTHENTICATED', 'the call has no credential');
    return caller;
  },
);

export function callerOf(request: FastifyRequest): Credential | undefined {
  return callers.get(request.raw);
}

/** Judges a call by its route and headers alone. Faults: UNAUTHENTICATED, FORBIDDEN. */
export async function authorize(request: FastifyRequest, keys: ApiKeys): Promise<void> {
  const { permission } = request.routeOptions.config as AuthorizedRoute;
  if (permission === undefined) return;
  const caller = await keys.authenticate(request.headers.authorization);
  callers.set(request.raw, caller);
  if (!permissionsOf[caller.role].includes(permission)) {
    throw new CertmillError('FORBIDDEN', `the role '${caller.role}' may not do this`);
  }
}
