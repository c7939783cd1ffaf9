import { hash, randomBytes } from 'node:crypto';
import { CertmillError, type Credential } from '@certmill/domain';
import type { Clock, TenantStore } from '@certmill/ports';

/** `cm_` and 32 random octets in base64url: 256 bits need no slow hash. */
const keyPattern = /^cm_[A-Za-z0-9_-]{43}$/;
/** A key that another process removed works this long at most. */
const cachedMs = 5_000;
const maxCached = 10_000;

export function newApiKey(): { readonly key: string; readonly keyHash: string } {
  const key = `cm_${randomBytes(32).toString('base64url')}`;
  return { key, keyHash: apiKeyHash(key) };
}

export function apiKeyHash(key: string): string {
  return hash('sha256', key, 'hex');
}

/**
 * Who holds a key. Every failure is the same UNAUTHENTICATED; look-ups are by hash, so their time
 * tells nothing about stored keys.
 */
export class ApiKeys {
  readonly #tenants: Pick<TenantStore, 'findCredential'>;
  readonly #clock: Clock;
  readonly #cache = new Map<
    string,
    { readonly credential: Credential; readonly untilMs: number }
  >();

  constructor(tenants: Pick<TenantStore, 'findCredential'>, clock: Clock) {
    this.#tenants = tenants;
    this.#clock = clock;
  }

  async authenticate(authorization: string | undefined): Promise<Credential> {
    const key = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (key === undefined || !keyPattern.test(key)) throw unauthenticated();
    const keyHash = apiKeyHash(key);
    const nowMs = this.#clock.nowMs();
    const cached = this.#cache.get(keyHash);
    if (cached !== undefined && cached.untilMs > nowMs) return cached.credential;
    const credential = await this.#tenants.findCredential(keyHash);
    if (credential === undefined) throw unauthenticated();
    if (this.#cache.size >= maxCached) this.#cache.clear();
    this.#cache.set(keyHash, { credential, untilMs: nowMs + cachedMs });
    return credential;
  }

  /** A key that was removed here ends at once. */
  forget(keyHash: string): void {
    this.#cache.delete(keyHash);
  }
}

function unauthenticated(): CertmillError {
  return new CertmillError('UNAUTHENTICATED', 'send a valid API key: Authorization: Bearer cm_...');
}
