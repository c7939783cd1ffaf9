import { crlConfigSchema, crlPolicyOf } from './crl-config.js';

describe('what is configured of CRLs', () => {
  it.each(['2026-11-23T14:00:00Z', '2026-11-23T15:00:00+01:00'])(
    'CRLs of a clock that was ahead are replaced until %s',
    (replaceFutureUntil) => {
      const policy = crlPolicyOf(crlConfigSchema.parse({ replaceFutureUntil }));
      expect(policy.replacesFutureUntilMs).toBe(Date.UTC(2026, 10, 23, 14));
      expect(crlPolicyOf(crlConfigSchema.parse({}))).not.toHaveProperty('replacesFutureUntilMs');
    },
  );

  it.each(['tomorrow', '2026-11-23', '2026-11-23T14:00:00', true, 1_795_442_400_000])(
    'the end of it is a time that means one moment, and %s is refused',
    (replaceFutureUntil) => {
      expect(crlConfigSchema.safeParse({ replaceFutureUntil }).success).toBe(false);
    },
  );
});
