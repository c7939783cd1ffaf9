import { Controller, Get, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import { canonicalProfile, CertmillError, profileHash, type Credential } from '@certmill/domain';
import type { StoredProfile } from '@certmill/ports';
import type { FastifyRequest } from 'fastify';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { noteAudit } from './audit-notes.js';
import { newProfileSchema } from './bodies.js';
import { ProfileSlots } from './call-slots.js';
import { demandApproval } from './demand-approval.js';
import { pageOf, pageRequestOf, type PageView } from './pages.js';
import { parseWith } from './parse-with.js';
import { pageQuerySchema } from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';

/** Profiles of the tenant: added once per version, never changed. */
@Controller('v1/profiles')
export class ProfilesController {
  readonly #services: IssuanceServices;
  readonly #slots: ProfileSlots;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(ProfileSlots) slots: ProfileSlots,
  ) {
    this.#services = services;
    this.#slots = slots;
  }

  @Get()
  @Needs('profiles:read')
  @Describes(routes.listProfiles)
  async list(
    @Caller() caller: Credential,
    @Query() query: unknown,
  ): Promise<PageView<ProfileView>> {
    const { items, next } = await this.#services.profileStore.listProfiles(
      caller.tenant,
      pageRequestOf(parseWith(pageQuerySchema, query)),
    );
    return pageOf(items.map(profileView), next);
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
    const { yaml, approvals, propose } = parseWith(newProfileSchema, bodyOf(request.body));
    const { tenant } = caller;
    using held = new DisposableStack();
    held.use(this.#slots.take(tenant));
    const profile = await this.#services.addProfile(tenant, yaml, async (wanted) => {
      const { name, version } = wanted;
      const hash = profileHash(wanted);
      const content = JSON.parse(canonicalProfile(wanted)) as unknown;
      const parameters = {
        call: 'POST /v1/profiles',
        tenant,
        name,
        version,
        hash,
        profile: content,
      };
      const operation = { kind: 'profile-change', parameters } as const;
      if (propose) await this.#services.gate.propose(operation);
      const useId = `profile ${tenant} ${hash}`;
      await demandApproval(this.#services, caller, operation, { approvals, useId });
    });
    if (propose)
      throw new CertmillError('CONFLICT', 'the profile is there: nothing is to be approved');
    const stored = await this.#services.profileStore.findProfile(caller.tenant, profile.name);
    if (stored === undefined)
      throw new CertmillError('FAULT_STORE_DOWN', 'the profile was not stored');
    const { name, version, hash } = stored;
    await noteAudit(this.#services, caller, 'profile.added', { name, version, hash });
    return profileView(stored);
  }
}

/** A file as it is, or in JSON beside approvals. */
function bodyOf(body: unknown): unknown {
  return typeof body === 'string' ? { yaml: body } : body;
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
