import {
  Inject,
  Injectable,
  SetMetadata,
  createParamDecorator,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { CertmillError, type Credential } from '@certmill/domain';
import type { FastifyRequest } from 'fastify';
import { ApiKeys } from './api-keys.js';
import { permissionsOf, type Permission } from './roles.js';

const permissionKey = 'certmill:permission';

/** What the caller's role must allow. A route without it is open: health, metrics, the OpenAPI file. */
export const Needs = (permission: Permission): MethodDecorator =>
  SetMetadata(permissionKey, permission);

const callers = new WeakMap<object, Credential>();

/** The credential that the guard found. */
export const Caller = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Credential =>
    callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);

export function callerOf(request: FastifyRequest): Credential {
  const caller = callers.get(request.raw);
  if (caller === undefined)
    throw new CertmillError('UNAUTHENTICATED', 'the call has no credential');
  return caller;
}

@Injectable()
export class AuthGuard implements CanActivate {
  readonly #reflector: Reflector;
  readonly #keys: ApiKeys;

  constructor(@Inject(Reflector) reflector: Reflector, @Inject(ApiKeys) keys: ApiKeys) {
    this.#reflector = reflector;
    this.#keys = keys;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const needed = this.#reflector.get<Permission | undefined>(permissionKey, context.getHandler());
    if (needed === undefined) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const caller = await this.#keys.authenticate(request.headers.authorization);
    if (!permissionsOf[caller.role].includes(needed)) {
      throw new CertmillError('FORBIDDEN', `the role '${caller.role}' may not do this`);
    }
    callers.set(request.raw, caller);
    return true;
  }
}
