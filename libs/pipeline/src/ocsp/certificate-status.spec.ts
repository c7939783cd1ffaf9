import { caCertificateStatus, type CaStatus } from './certificate-status.js';

const good: CaStatus = { status: { kind: 'good' } };
const revoked: CaStatus = { status: { kind: 'revoked', atSeconds: 1, reasonNumber: 4 } };

describe('the status of a CA certificate whose CA is known by several names', () => {
  it.each<[string, readonly (CaStatus | undefined)[], CaStatus | undefined]>([
    ['revoked where the last has recorded it', [undefined, good, revoked], revoked],
    ['revoked where the CRL of another name is over', ['untold', revoked], revoked],
    ['what the first says that knows it', [undefined, 'untold', good], 'untold'],
    ['good where nobody says anything else', [good, undefined, good], good],
    ['not known where nobody knows it', [undefined, undefined], undefined],
  ])('is %s', (_, told, status) => {
    const issuers = told.map((__, index) => ({ name: String(index) }));
    const caStatus = (name: string) => told[Number(name)];
    expect(caCertificateStatus({ caStatus }, issuers, Uint8Array.of(7), 0)).toBe(status);
  });
});
