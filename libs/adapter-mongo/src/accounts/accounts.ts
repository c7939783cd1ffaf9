import { CertmillError, type Credential, type TenantId } from '@certmill/domain';
import type { Page, PageRequest, StoredProfile, TenantStore, ProfileStore } from '@certmill/ports';
import type { Collections } from '../collections.js';
import { idsUnder, type Stored } from '../connection/documents.js';
import { cursorPlace, pageLimit, pageOf } from '../page-cursor.js';

/** `_id`: the tenant. */
export interface TenantDocument extends Stored {
  readonly createdAtMs: number;
}

/** `_id`: the hash of the key, for whoever shows a key has not said whose it is. */
export type CredentialDocument = Stored & Omit<Credential, 'keyHash'>;

/** `_id`: `<tenant>/<name>/<version>`, the version with leading zeros so that it sorts. */
export type ProfileDocument = Stored & StoredProfile;

const anyTenant = /^[^\0]+$/;
/** Of a profile for all: tenants that are looked at together. */
const tenantsAtOnce = 500;
const conflictsTold = 100;
const nameAndVersion = /^[^/\0]+\/\d{1,15}$/;
/** Each is up to 64 KiB. */
const maxPageProfiles = 100;

/** Tenants and their credentials. */
export class Tenants implements TenantStore {
  readonly #tenants: Collections['tenants'];
  readonly #credentials: Collections['credentials'];

  constructor({ tenants, credentials }: Pick<Collections, 'tenants' | 'credentials'>) {
    this.#tenants = tenants;
    this.#credentials = credentials;
  }

  async createTenant(tenant: TenantId, createdAtMs: number): Promise<boolean> {
    return (await this.#tenants.insert({ _id: tenant, createdAtMs })) === 'inserted';
  }

  async hasTenant(tenant: TenantId): Promise<boolean> {
    return (await this.#tenants.get(tenant)) !== undefined;
  }

  async listTenants(page: PageRequest): Promise<Page<TenantId>> {
    const limit = pageLimit(page);
    const after = cursorPlace(page, anyTenant);
    const found = await this.#tenants.find(after === undefined ? {} : { _id: { $gt: after } }, {
      sort: { _id: 1 },
      limit: limit + 1,
      fields: ['_id'],
    });
    return pageOf(found, limit, idOf, idOf);
  }

  async addCredential(credential: Credential): Promise<void> {
    const { keyHash, tenant, role, label, createdAtMs } = credential;
    const document = { _id: keyHash, tenant, role, label, createdAtMs };
    if ((await this.#credentials.insert(document)) === 'inserted') return;
    if ((await this.findCredential(keyHash))?.tenant !== tenant) {
      throw new CertmillError('CONFLICT', 'this key is a credential already');
    }
  }

  async findCredential(keyHash: string): Promise<Credential | undefined> {
    const found = await this.#credentials.get(keyHash);
    return found && credentialOf(found);
  }

  /** All shards look into their index by tenant. */
  async listCredentials(tenant: TenantId): Promise<readonly Credential[]> {
    const sort = { createdAtMs: 1, _id: 1 } as const;
    return (await this.#credentials.find({ tenant }, { sort })).map(credentialOf);
  }

  removeCredential(tenant: TenantId, keyHash: string): Promise<boolean> {
    return this.#credentials.remove({ _id: keyHash, tenant });
  }
}

/** Profiles; those of one tenant are few and lie in one range of `_id`. */
export class Profiles implements ProfileStore {
  readonly #profiles: Collections['profiles'];
  readonly #tenants: Collections['tenants'];

  constructor({ profiles, tenants }: Pick<Collections, 'profiles' | 'tenants'>) {
    this.#profiles = profiles;
    this.#tenants = tenants;
  }

  async addProfile(profile: StoredProfile): Promise<void> {
    if (await this.#isStored(profile)) return;
    throw new CertmillError(
      'CONFLICT',
      `profile ${profile.name} version ${String(profile.version)} is stored with other content`,
    );
  }

  /** Tenant by tenant: whoever is interrupted begins anew, as every start does. */
  async addProfileToAll(profile: Omit<StoredProfile, 'tenant'>): Promise<readonly TenantId[]> {
    const conflicts: TenantId[] = [];
    let after = '';
    for (;;) {
      const tenants = await this.#tenants.find(
        { _id: { $gt: after } },
        { sort: { _id: 1 }, limit: tenantsAtOnce, fields: ['_id'] },
      );
      const ids = tenants.map(({ _id }) => profileId({ ...profile, tenant: _id }));
      const stored = await this.#profiles.getMany(ids, ['hash']);
      const hashes = new Map(stored.map(({ _id, hash }) => [_id, hash]));
      for (const [i, { _id: tenant }] of tenants.entries()) {
        const known = hashes.get(ids[i] ?? '');
        const isSame =
          known === undefined
            ? await this.#isStored({ ...profile, tenant })
            : known === profile.hash;
        if (!isSame && conflicts.length < conflictsTold) conflicts.push(tenant);
      }
      const last = tenants.at(-1);
      if (last === undefined || tenants.length < tenantsAtOnce) return conflicts;
      after = last._id;
    }
  }

  async getProfile(tenant: TenantId, hash: string): Promise<StoredProfile | undefined> {
    const where = { ...idsUnder(`${tenant}/`), hash };
    const [found] = await this.#profiles.find(where, { sort: { _id: 1 }, limit: 1 });
    return found && profileOf(found);
  }

  async findProfile(tenant: TenantId, name: string): Promise<StoredProfile | undefined> {
    const where = idsUnder(`${tenant}/${name}/`);
    const [found] = await this.#profiles.find(where, { sort: { _id: -1 }, limit: 1 });
    return found && profileOf(found);
  }

  async listProfiles(tenant: TenantId, page: PageRequest): Promise<Page<StoredProfile>> {
    const limit = Math.min(pageLimit(page), maxPageProfiles);
    const [name, version] = cursorPlace(page, nameAndVersion)?.split('/') ?? [];
    const after =
      name === undefined
        ? {}
        : { $or: [{ name: { $gt: name } }, { name, version: { $gt: Number(version) } }] };
    // By `_id` `idevid-tpm/1` would come before `idevid/1`.
    const sort = { name: 1, version: 1 } as const;
    const where = { ...idsUnder(`${tenant}/`), ...after };
    const found = await this.#profiles.find(where, { sort, limit: limit + 1 });
    return pageOf(found, limit, profileOf, (last) => `${last.name}/${String(last.version)}`);
  }

  /** Inserts it if absent; whether it is now stored with this content. */
  async #isStored(profile: StoredProfile): Promise<boolean> {
    const document = profileDocument(profile);
    if ((await this.#profiles.insert(document)) === 'inserted') return true;
    return (await this.#profiles.get(document._id, ['hash']))?.hash === profile.hash;
  }
}

function idOf({ _id }: Stored): string {
  return _id;
}

function profileId({ tenant, name, version }: Pick<StoredProfile, 'tenant' | 'name' | 'version'>) {
  return `${tenant}/${name}/${String(version).padStart(10, '0')}`;
}

export function profileDocument(profile: StoredProfile): ProfileDocument {
  return { _id: profileId(profile), ...profileOf(profile) };
}

function credentialOf(document: CredentialDocument): Credential {
  const { _id: keyHash, tenant, role, label, createdAtMs } = document;
  return { keyHash, tenant, role, label, createdAtMs };
}

function profileOf(document: StoredProfile): StoredProfile {
  const { tenant, name, version, hash, canonical, addedAtMs } = document;
  return { tenant, name, version, hash, canonical, addedAtMs };
}
