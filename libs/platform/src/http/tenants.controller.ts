import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { assertName, CertmillError, type Credential } from '@certmill/domain';
import { ApiKeys, newApiKey } from '../auth/api-keys.js';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { noteAudit } from './audit-notes.js';
import { newCredentialSchema, newTenantSchema } from './bodies.js';
import { parseWith } from './parse-with.js';
import { servicesToken, type IssuanceServices } from './services.js';

/**
 * Tenants and API keys. An admin manages the keys of the own tenant; one of the operator's tenant opens
 * tenants and manages the keys of all. Keys are shown once, when they are made.
 */
@Controller('v1/tenants')
export class TenantsController {
  readonly #services: IssuanceServices;
  readonly #keys: ApiKeys;

  constructor(@Inject(servicesToken) services: IssuanceServices, @Inject(ApiKeys) keys: ApiKeys) {
    this.#services = services;
    this.#keys = keys;
  }

  @Post()
  @HttpCode(201)
  @Needs('tenants:write')
  @Describes(routes.createTenant)
  async create(@Caller() caller: Credential, @Body() body: unknown): Promise<{ tenant: string }> {
    const { tenant } = parseWith(newTenantSchema, body);
    if (caller.tenant !== this.#services.operatorTenant) {
      throw new CertmillError('FORBIDDEN', "only admins of the operator's tenant open tenants");
    }
    assertName('tenant', tenant);
    if (!(await this.#services.openTenant(tenant))) {
      throw new CertmillError('CONFLICT', `tenant '${tenant}' is there already`);
    }
    await noteAudit(this.#services, caller, 'tenant.opened', {}, tenant);
    return { tenant };
  }

  @Post(':tenant/credentials')
  @HttpCode(201)
  @Needs('tenants:write')
  @Describes(routes.addCredential)
  async addCredential(
    @Caller() caller: Credential,
    @Param('tenant') tenant: string,
    @Body() body: unknown,
  ): Promise<{ key: string; keyHash: string; tenant: string; role: string; label: string }> {
    const { role, label } = parseWith(newCredentialSchema, body);
    const { tenants, clock } = this.#services;
    await this.#assertManages(caller, tenant);
    const { key, keyHash } = newApiKey();
    await tenants.addCredential({ keyHash, tenant, role, label, createdAtMs: clock.nowMs() });
    const detail = { keyHash, role, label };
    await noteAudit(this.#services, caller, 'credential.added', detail, tenant);
    return { key, keyHash, tenant, role, label };
  }

  @Get(':tenant/credentials')
  @Needs('tenants:write')
  @Describes(routes.listCredentials)
  async list(
    @Caller() caller: Credential,
    @Param('tenant') tenant: string,
  ): Promise<{ items: readonly Credential[] }> {
    await this.#assertManages(caller, tenant);
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
    await this.#assertManages(caller, tenant);
    if (keyHash === caller.keyHash) {
      throw new CertmillError('CONFLICT', 'a key cannot remove itself');
    }
    if (!(await this.#services.tenants.removeCredential(tenant, keyHash))) {
      throw new CertmillError('NOT_FOUND', 'there is no such credential');
    }
    this.#keys.forget(keyHash);
    await noteAudit(this.#services, caller, 'credential.removed', { keyHash }, tenant);
  }

  /** Another tenant is not there: NOT_FOUND, whether it exists or not. */
  async #assertManages(caller: Credential, tenant: string): Promise<void> {
    const { operatorTenant, tenants } = this.#services;
    const manages = caller.tenant === tenant || caller.tenant === operatorTenant;
    if (!manages || !(await tenants.hasTenant(tenant))) {
      throw new CertmillError('NOT_FOUND', 'there is no such tenant');
    }
  }
}
