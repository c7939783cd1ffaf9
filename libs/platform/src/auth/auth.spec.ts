import type { Credential, Role } from '@certmill/domain';
import { ApiKeys, apiKeyHash, newApiKey } from './api-keys.js';
import { permissionsOf } from './roles.js';

describe('permissionsOf', () => {
  const expected: Record<Role, string> = {
    admin:
      'audit:read batches:read batches:write certificates:read certificates:revoke ' +
      'dead-letters:read dead-letters:write operations:read operations:write ' +
      'orders:read orders:write profiles:read profiles:write tenants:write',
    operator:
      'batches:read batches:write certificates:read certificates:revoke ' +
      'dead-letters:read dead-letters:write operations:read operations:write ' +
      'orders:read orders:write profiles:read profiles:write',
    factory: 'batches:read batches:write certificates:read orders:read',
    auditor:
      'audit:read batches:read certificates:read dead-letters:read operations:read ' +
      'orders:read profiles:read',
  };

  it.each(Object.entries(expected))('lets %s do exactly this', (role, permissions) => {
    expect([...permissionsOf[role as Role]].sort().join(' ')).toBe(permissions);
  });
});

describe('ApiKeys', () => {
  const { key, keyHash } = newApiKey();
  const stored: Credential = { keyHash, tenant: 't', role: 'factory', label: '', createdAtMs: 0 };
  const keysOver = (state: {
    nowMs: number;
    found: Credential | undefined;
    looks: number;
  }): ApiKeys =>
    new ApiKeys(
      {
        findCredential(hash) {
          state.looks++;
          return Promise.resolve(hash === keyHash ? state.found : undefined);
        },
      },
      { nowMs: () => state.nowMs },
    );

  it('finds the credential by the hash of the key only', async () => {
    const keys = keysOver({ nowMs: 0, found: stored, looks: 0 });
    await expect(keys.authenticate(`Bearer ${key}`)).resolves.toEqual(stored);
    expect(apiKeyHash(key)).not.toContain(key);
  });

  it.each([undefined, '', 'Basic abc', 'Bearer', 'Bearer cm_short', `Bearer ${newApiKey().key}`])(
    'fails the same way for %s',
    async (authorization) => {
      const keys = keysOver({ nowMs: 0, found: stored, looks: 0 });
      await expect(keys.authenticate(authorization)).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
        message: 'send a valid API key: Authorization: Bearer cm_...',
      });
    },
  );

  it('asks the store once in some seconds, and a removed key ends with them', async () => {
    const state = { nowMs: 0, found: stored as Credential | undefined, looks: 0 };
    const keys = keysOver(state);
    await keys.authenticate(`Bearer ${key}`);
    await keys.authenticate(`Bearer ${key}`);
    expect(state.looks).toBe(1);
    state.found = undefined;
    state.nowMs = 5_001;
    await expect(keys.authenticate(`Bearer ${key}`)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
  });
});
