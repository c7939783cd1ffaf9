import type { Credential } from '@certmill/domain';
import type { FastifyRequest } from 'fastify';
import { ProfileSlots } from './call-slots.js';
import { ProfilesController } from './profiles.controller.js';
import type { IssuanceServices } from './services.js';

const request = { body: 'name: sensor' } as FastifyRequest;

function credentialOf(tenant: string): Credential {
  return { keyHash: tenant, tenant, role: 'admin', label: tenant, createdAtMs: 0 };
}

describe('profiles that are added at once', () => {
  it('are read two at a time of a tenant, and others are told to come again', async () => {
    const { promise: ended, reject: end } = Promise.withResolvers<never>();
    let read = 0;
    const addProfile: IssuanceServices['addProfile'] = () => {
      read += 1;
      return ended;
    };
    const controller = new ProfilesController(
      { addProfile } as Partial<IssuanceServices> as IssuanceServices,
      new ProfileSlots(),
    );
    const added = ['acme', 'acme', 'acme', 'other'].map((tenant) =>
      controller.add(credentialOf(tenant), request),
    );
    await expect(added[2]).rejects.toThrow('too many new profiles at once');
    expect(read).toBe(3);
    end(new Error('it is none'));
    await Promise.allSettled(added);
    await expect(controller.add(credentialOf('acme'), request)).rejects.toThrow('it is none');
  });
});
