import { tlsRefusalOf } from './tls-refusal.js';

const coded = (code: unknown, cause?: unknown): Error =>
  Object.assign(new Error('of a library', { cause }), { code });

describe('why certificates were not accepted', () => {
  test.each([
    ['CERT_HAS_EXPIRED', 'its certificate has expired'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate is not of a CA that is trusted here'],
    [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'it does not take the certificate that it was shown, or was shown none',
    ],
    [
      'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
      'it does not take the certificate that it was shown, or was shown none',
    ],
  ])('%s', (code, reason) => {
    expect(tlsRefusalOf(coded(code))).toBe(reason);
    expect(tlsRefusalOf(coded(18, coded(undefined, coded(code))))).toBe(reason);
  });

  test.each([
    ['nothing', undefined],
    ['a text', 'CERT_HAS_EXPIRED'],
    ['a refused connection', coded('ECONNREFUSED')],
    ['a server without TLS', coded('ERR_SSL_WRONG_VERSION_NUMBER')],
    ['an error without a code', new Error('CERT_HAS_EXPIRED')],
  ])('says nothing of %s', (_, error) => {
    expect(tlsRefusalOf(error)).toBeUndefined();
  });

  it('ends with an error that is its own cause', () => {
    const error = coded('ECONNRESET');
    error.cause = error;
    expect(tlsRefusalOf(error)).toBeUndefined();
  });
});
