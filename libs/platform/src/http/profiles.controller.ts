import { Controller, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { CertmillError, type Credential } from '@certmill/domain';
import type { StoredProfile } from '@certmill/ports';
import type { FastifyRequest } from 'fastify';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { noteAudit } from './audit-notes.js';
import { servicesToken, type IssuanceServices } from './services.js';

/** Profiles of the tenant: added once per version, never changed. */
@Controller('v1/profiles')
export class ProfilesController {
  readonly #services: IssuanceServices;

  constructor(@Inject(servicesToken) services: IssuanceServices) {
    this.#services = services;
  }

  @Get()
  @Needs('profiles:read')
  @Describes(routes.listProfiles)
  async list(@Caller() caller: Credential): Promise<{ items: readonly ProfileView[] }> {
    const stored = await this.#services.profileStore.listProfiles(caller.tenant);
    return { items: stored.map(profileView) };
  }

  @Get(':name')
  @Needs('profiles:read')
  @Describes(routes.showProfile)
  async show(
    @Caller() caller: Credential,
    @Param('name') name: string,
  ): Promise<ProfileView & { readonly profile: unknown }> {
    const stored = await this.#services.profileStore.findProfile(caller.tenant, name);
    if (stored === undefined) throw new CertmillError('NOT_FOUND', 'there is no such profile');
    return { ...profileView(stored), profile: JSON.parse(stored.canonical) as unknown };
  }

  @Post()
  @HttpCode(201)
  @Needs('profiles:write')
  @Describes(routes.addProfile)
  async add(@Caller() caller: Credential, @Req() request: FastifyRequest): Promise<ProfileView> {
    if (typeof request.body !== 'string') {
      throw new CertmillError('INVALID_INPUT', 'send the profile file as application/yaml');
    }
    const profile = await this.#services.addProfile(caller.tenant, request.body);
    const stored = await this.#services.profileStore.findProfile(caller.tenant, profile.name);
    if (stored === undefined)
      throw new CertmillError('FAULT_STORE_DOWN', 'the profile was not stored');
    const { name, version, hash } = stored;
    await noteAudit(this.#services, caller, 'profile.added', { name, version, hash });
    return profileView(stored);
  }
}

/** A profile in lists. */
export interface ProfileView {
  readonly name: string;
  readonly version: number;
  readonly hash: string;
  readonly addedAt: string;
}

function profileView(stored: StoredProfile): ProfileView {
  return {
    name: stored.name,
    version: stored.version,
    hash: stored.hash,
    addedAt: new Date(stored.addedAtMs).toISOString(),
  };
}
