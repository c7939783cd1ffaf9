import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { assertName, CertmillError, type Credential } from '@certmill/domain';
import { newApiKey } from '../auth/api-keys.js';
import { Caller, Needs } from '../auth/auth.guard.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { newCredentialSchema, newTenantSchema } from './bodies.js';
import { parseWith } from './parse-with.js';
import { servicesToken, type IssuanceServices } from './services.js';

/** Tenants and API keys. An admin sees every tenant; keys are shown once, when they are made. */
@Controller('v1/tenants')
export class TenantsController {
  readonly #services: IssuanceServices;

  constructor(@Inject(servicesToken) services: IssuanceServices) {
    this.#services = services;
  }

  @Post()
  @HttpCode(201)
  @Needs('tenants:write')
  @Describes(routes.createTenant)
  async create(@Body() body: unknown): Promise<{ tenant: string }> {
    const { tenant } = parseWith(newTenantSchema, body);
    assertName('tenant', tenant);
    if (!(await this.#services.openTenant(tenant))) {
      throw new CertmillError('CONFLICT', `tenant '${tenant}' is there already`);
    }
    return { tenant };
  }

  @Post(':tenant/credentials')
  @HttpCode(201)
  @Needs('tenants:write')
  @Describes(routes.addCredential)
  async addCredential(
    @Param('tenant') tenant: string,
    @Body() body: unknown,
  ): Promise<{ key: string; keyHash: string; tenant: string; role: string; label: string }> {
    const { role, label } = parseWith(newCredentialSchema, body);
    const { tenants, clock } = this.#services;
    if (!(await tenants.hasTenant(tenant)))
      throw new CertmillError('NOT_FOUND', 'there is no such tenant');
    const { key, keyHash } = newApiKey();
    await tenants.addCredential({ keyHash, tenant, role, label, createdAtMs: clock.nowMs() });
    return { key, keyHash, tenant, role, label };
  }

  @Get(':tenant/credentials')
  @Needs('tenants:write')
  @Describes(routes.listCredentials)
  async list(@Param('tenant') tenant: string): Promise<{ items: readonly Credential[] }> {
    return { items: await this.#services.tenants.listCredentials(tenant) };
  }

  @Delete(':tenant/credentials/:keyHash')
  @HttpCode(204)
  @Needs('tenants:write')
  @Describes(routes.removeCredential)
  async remove(
    @Caller() caller: Credential,
    @Param('tenant') tenant: string,
    @Param('keyHash') keyHash: string,
  ): Promise<void> {
    if (keyHash === caller.keyHash) {
      throw new CertmillError('CONFLICT', 'a key cannot remove itself');
    }
    if (!(await this.#services.tenants.removeCredential(tenant, keyHash))) {
      throw new CertmillError('NOT_FOUND', 'there is no such credential');
    }
  }
}
