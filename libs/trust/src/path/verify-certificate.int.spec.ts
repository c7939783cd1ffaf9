import { hash, X509Certificate } from 'node:crypto';
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { encodeOctetString, encodeOid, encodeSequence, encodeTlv, oids } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { inspect } from '../inspect/inspect.js';
import { pemBlocksOf } from '../inspect/pem-blocks.js';
import { type DerNode, readDerNode } from '../lint/der-node.js';
import { alteredElements } from '../testing/altered-elements.js';
import { OpensslPki } from '../testing/openssl-pki.js';
import { replaceBytes, resign } from '../testing/resign.js';
import { readPathCertificate } from './path-certificate.js';
import {
  openVerifier,
  type VerificationDemands,
  type VerificationSources,
} from './verify-certificate.js';

const days = 86_400;

/** Needs openssl on the PATH: it makes what is verified, and verifies it as well. */
describe('verification of certificates that OpenSSL made', () => {
  let pki: OpensslPki;
  let nowSeconds: number;
  const der = (name: string): Uint8Array => pemBlocksOf(readFileSync(pki.path(name)))[0]!.der;
  const verify = (
    name: string,
    sources: Partial<VerificationSources> = {},
    demands: Partial<VerificationDemands> = {},
  ) =>
    openVerifier({
      anchors: [der('root.pem')],
      intermediates: [der('issuing.pem')],
      crls: [],
      ocspResponses: [],
      ...sources,
    }).verify(der(name), { atSeconds: nowSeconds, status: 'none', ...demands });
  const problemsOf = (...given: Parameters<typeof verify>) =>
    verify(...given).problems.map(({ position, detail }) => `${String(position)}: ${detail}`);
  /** For what was made after `nowSeconds`. */
  const justNow = () => ({ atSeconds: Math.ceil(Date.now() / 1_000) });
  const opensslSays = (...args: string[]): boolean => {
    try {
      pki.run('verify', '-CAfile', 'root.pem', '-untrusted', 'issuing.pem', ...args);
      return true;
    } catch {
      return false;
    }
  };

  /** What OpenSSL says of a response about good.pem, with the status of the responder by responders.crl. */
  const opensslBelieves = (name: string): boolean => {
    const trusted = ['root.pem', 'issuing.pem', 'responders.crl'];
    writeFileSync(
      pki.path('trusted.pem'),
      trusted.map((file) => readFileSync(pki.path(file), 'utf8')).join(''),
    );
    try {
      pki.run(
        ...['ocsp', '-issuer', 'issuing.pem', '-cert', 'good.pem', '-respin', `${name}.ocsp`],
        ...['-CAfile', 'trusted.pem', '-crl_check', '-no_nonce'],
      );
      return true;
    } catch {
      return false;
    }
  };

  beforeAll(() => {
    pki = new OpensslPki();
    for (const name of ['good', 'bad', 'held']) pki.device(name);
    pki.device('responder', 'responder');
    pki.crl('empty');
    pki.revoke('bad');
    pki.revoke('held', 'certificateHold');
    pki.crl('full');
    for (const name of [
      'partition',
      'other_partition',
      'relative_partition',
      'unreadable_partition',
      'some_reasons',
      'delta',
    ]) {
      pki.crl(name, '-crlexts', `crl_${name}`);
    }
    pki.crl('of-root', '-cert', 'root.pem', '-keyfile', 'root.key');
    pki.ocsp('both', 'responder', ['good', 'bad']);
    pki.ocsp('by-issuer', 'issuing', ['good']);
    pki.ocsp('by-device', 'good', ['good']);
    pki.signedBy('good', 'below', '/CN=below', 'device');
    pki.signedBy('issuing', 'sub', '/O=Example/CN=sub', 'issuing_ca');
    pki.signedBy('sub', 'under-sub', '/CN=under-sub', 'device');
    pki.signedBy('root', 'constrained', '/O=Example/CN=constrained', 'constrained_ca');
    pki.signedBy('constrained', 'within', '/O=Example', 'device');
    pki.signedBy('constrained', 'outside', '/O=Example', 'elsewhere');
    pki.signedBy('root', 'code-signing', '/O=Example/CN=code signing', 'code_signing_ca');
    pki.signedBy('code-signing', 'any-purpose', '/O=Example/CN=any', 'any_purpose');
    pki.device('checked-responder', 'checked_responder');
    pki.ocsp('by-checked', 'checked-responder', ['good']);
    for (const name of ['checked-responder', 'responder']) pki.revoke(name);
    pki.crl('responders');
    nowSeconds = Math.ceil(Date.now() / 1_000);
  });
  afterAll(() => {
    pki[Symbol.dispose]();
  });

  it('finds the path to the root', () => {
    const { isValid, path, problems } = verify('good.pem');
    expect([isValid, problems]).toEqual([true, []]);
    expect(path.map(({ subject }) => subject)).toEqual([
      'CN=good, O=Example',
      'O=Example, CN=issuing',
      'O=Example, CN=root',
    ]);
    expect(opensslSays('good.pem')).toBe(true);
  });

  it('says that no path leads to a root', () => {
    expect(problemsOf('good.pem', { intermediates: [] })).toEqual([
      '0: no certificate that is here has issued it, and it is no trust anchor',
    ]);
    expect(problemsOf('good.pem', { anchors: [] })[0]).toMatch(/^2|^1/);
  });

  it('says of an issuer that is here why it is not believed: a hash, a signature, a key', () => {
    const sign = (name: string, hash: string, ...key: readonly string[]): void => {
      pki.run(
        ...['req', '-new', '-newkey', ...key, '-nodes', '-keyout', `${name}.key`],
        ...['-subj', `/CN=${name}`, '-out', `${name}.csr`],
      );
      pki.run(
        ...['x509', '-req', '-in', `${name}.csr`, `-${hash}`, '-days', '30'],
        ...['-CA', 'issuing.pem', '-CAkey', 'issuing.key', '-CAcreateserial'],
        ...['-extfile', 'pki.cnf', '-extensions', 'device', '-out', `${name}.pem`],
      );
    };
    sign('old-hash', 'sha1', 'rsa:2048');
    sign('short-key', 'sha256', 'rsa:1024');
    expect(verify('old-hash.pem', {}, justNow()).problems).toEqual([
      {
        position: 0,
        clause: 'NIST SP 800-131A Rev. 2, 9',
        detail:
          'its issuer is here, but the signature is made with SHA-1, which proves nothing any more',
      },
    ]);
    const alone = problemsOf('old-hash.pem', { intermediates: [] }, justNow());
    expect(alone[0]).toContain('no certificate that');
    expect(problemsOf('short-key.pem', {}, justNow())).toEqual([
      '0: the RSA key has 1024 bits, at least 2048 are needed',
    ]);
    // As OpenSSL has it at the level of security that 112 bits are (2).
    expect(opensslSays('-auth_level', '0', 'old-hash.pem')).toBe(true);
    for (const name of ['old-hash', 'short-key']) {
      expect(opensslSays('-auth_level', '2', `${name}.pem`)).toBe(false);
    }
  });

  it('takes an issuing CA as anchor where it is told to', () => {
    const sources = { anchors: [der('issuing.pem')], intermediates: [] };
    expect(verify('good.pem', sources).isValid).toBe(true);
  });

  it('refuses a certificate before, after and with a signature that is not its own', () => {
    const end = new X509Certificate(der('good.pem')).validToDate.getTime() / 1_000;
    expect(problemsOf('good.pem', {}, { atSeconds: end })).toEqual([]);
    expect(problemsOf('good.pem', {}, { atSeconds: end + 1 })).toEqual([
      expect.stringContaining('0: expired at'),
    ]);
    expect(problemsOf('good.pem', {}, { atSeconds: nowSeconds - 10 * days })).toHaveLength(3);
    const forged = Uint8Array.from(der('good.pem'));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    pki.writePem('forged.pem', 'CERTIFICATE', forged);
    expect(problemsOf('forged.pem')).toEqual([
      expect.stringMatching(/^0: no certificate .*: its signature does not verify/),
    ]);
  });

  it('refuses a certificate and a CRL whose two AlgorithmIdentifiers differ, as OpenSSL does', () => {
    const key = readFileSync(pki.path('issuing.key'));
    const asSha384 = (tbs: Uint8Array) =>
      replaceBytes(tbs, encodeOid(oids.ecdsa_with_SHA256), encodeOid(oids.ecdsa_with_SHA384));
    pki.writePem('two-algorithms.pem', 'CERTIFICATE', resign(der('good.pem'), key, asSha384));
    expect(problemsOf('two-algorithms.pem')).toEqual([
      expect.stringContaining('0: no certificate'),
    ]);
    expect(opensslSays('two-algorithms.pem')).toBe(false);
    pki.writePem(
      'unchanged.pem',
      'CERTIFICATE',
      resign(der('good.pem'), key, (tbs) => tbs),
    );
    expect(problemsOf('unchanged.pem')).toEqual([]);
    pki.writePem('two-algorithms.crl', 'X509 CRL', resign(der('full.crl'), key, asSha384));
    expect(
      verify('bad.pem', { crls: [der('two-algorithms.crl')] }).path[0]?.findings,
    ).toMatchObject([
      { state: 'unusable', detail: expect.stringContaining('signature algorithm') as string },
    ]);
  });

  it('refuses what a device signed, and a CA where pathLenConstraint allows none', () => {
    const device = problemsOf('below.pem', {
      intermediates: [der('issuing.pem'), der('good.pem')],
    });
    expect(device.join()).toContain('1: is no CA');
    const deep = problemsOf('under-sub.pem', {
      intermediates: [der('issuing.pem'), der('sub.pem')],
    });
    expect(deep).toEqual(['2: pathLenConstraint allows 0 CAs below it, the path has 1']);
    expect(opensslSays('-untrusted', 'good.pem', 'below.pem')).toBe(false);
    expect(opensslSays('-untrusted', 'sub.pem', 'under-sub.pem')).toBe(false);
  });

  it('holds names against the constraints of the CAs above, as OpenSSL does', () => {
    const sources = { intermediates: [der('constrained.pem')] };
    expect(problemsOf('within.pem', sources)).toEqual([]);
    expect(problemsOf('outside.pem', sources)).toEqual([
      expect.stringMatching(/^1: its nameConstraints do not allow .*device\.bad\.example/),
    ]);
    expect(opensslSays('-untrusted', 'constrained.pem', 'within.pem')).toBe(true);
    expect(opensslSays('-untrusted', 'constrained.pem', 'outside.pem')).toBe(false);
  });

  it.each([
    ['inhibits anyPolicy', 'inhibitAnyPolicy = critical, 0', true],
    ['maps policies', 'policyMappings = critical, 1.2.3:1.2.4', true],
    ['inhibits mappings', 'policyConstraints = critical, inhibitPolicyMapping:0', true],
    ['asks for a policy', 'policyConstraints = critical, requireExplicitPolicy:0', false],
    ['inhibits what cannot be read', '2.5.29.54 = critical, DER:0500', false],
    ['maps what cannot be read', '2.5.29.33 = critical, DER:30023000', false],
    ['is constrained by what cannot be read', '2.5.29.36 = critical, DER:020100', false],
  ])('takes no policies as a reason of its own: below a CA that %s', (what, line, isGood) => {
    const [name, leaf] = [what.replace(/\W+/g, '-'), `below-${what.replace(/\W+/g, '-')}`];
    const section = `ca_${name}`;
    appendFileSync(
      pki.path('pki.cnf'),
      `[${section}]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n` +
        `subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n` +
        // Without it OpenSSL does not read the others.
        `certificatePolicies = 1.2.3\n${line}\n`,
    );
    pki.signedBy('root', name, `/O=Example/CN=${name}`, section);
    pki.signedBy(name, leaf, `/CN=${leaf}`, 'device');
    const intermediates = [der(`${name}.pem`)];
    const problems = problemsOf(`${leaf}.pem`, { intermediates }, justNow());
    expect(problems).toEqual(isGood ? [] : [expect.stringMatching(/^1: /)]);
    const untrusted = ['-x509_strict', '-policy_check', '-untrusted', `${name}.pem`];
    expect(opensslSays(...untrusted, `${leaf}.pem`)).toBe(isGood);
  });

  it('asks for the purpose', () => {
    expect(problemsOf('good.pem', {}, { purpose: '1.3.6.1.5.5.7.3.2' })).toEqual([]);
    expect(problemsOf('good.pem', {}, { purpose: '1.3.6.1.5.5.7.3.1' })).toHaveLength(1);
  });

  it('asks for the purpose of every CA above as well, as OpenSSL does', () => {
    const [intermediates, args] = [[der('code-signing.pem')], ['-untrusted', 'code-signing.pem']];
    expect(problemsOf('any-purpose.pem', { intermediates })).toEqual([]);
    expect(opensslSays(...args, 'any-purpose.pem')).toBe(true);
    const purpose = '1.3.6.1.5.5.7.3.2';
    expect(problemsOf('any-purpose.pem', { intermediates }, { purpose })).toEqual([
      `1: its extKeyUsage does not allow ${purpose} below it`,
    ]);
    expect(opensslSays(...args, '-purpose', 'sslclient', 'any-purpose.pem')).toBe(false);
  });

  it('finds revoked and held ones by a CRL, as OpenSSL does', () => {
    const crls = [der('full.crl')];
    expect(verify('good.pem', { crls }, { status: 'leaf' }).isValid).toBe(true);
    expect(problemsOf('bad.pem', { crls })).toEqual([
      expect.stringMatching(/^0: revoked at .* \(keyCompromise\)$/),
    ]);
    expect(problemsOf('held.pem', { crls })).toEqual([
      expect.stringMatching(/^0: revoked at .* \(certificateHold\)$/),
    ]);
    for (const name of ['good', 'bad', 'held']) {
      expect(opensslSays('-crl_check', '-CRLfile', 'full.crl', `${name}.pem`)).toBe(
        verify(`${name}.pem`, { crls }, { status: 'leaf' }).isValid,
      );
    }
  });

  it('believes a record of the CA that has issued it, from the time on that it says', () => {
    const [serialNumberHex, atSeconds] = [
      verify('issuing.pem').path[0]!.serialNumber,
      nowSeconds + 10,
    ];
    const recordBy = (ca: string, serial = serialNumberHex) => {
      const issuer = readPathCertificate(der(ca))!;
      return {
        issuerNameDer: issuer.certificate.subject.der,
        issuerSpkiDer: issuer.subjectPKInfoDer,
        serialNumberHex: serial,
        reason: 'cACompromise' as const,
        revokedAtMs: atSeconds * 1_000,
      };
    };
    const said = (record: ReturnType<typeof recordBy>, at: number) =>
      problemsOf('good.pem', { records: [record] }, { atSeconds: at });
    expect(said(recordBy('root.pem'), atSeconds)).toEqual([
      expect.stringMatching(/^1: revoked at .* \(cACompromise\)$/),
    ]);
    expect(said(recordBy('root.pem'), atSeconds - 1)).toEqual([]);
    expect(said(recordBy('issuing.pem'), atSeconds)).toEqual([]);
    expect(said(recordBy('root.pem', '01'), atSeconds)).toEqual([]);
    // Another certificate over the key, which is lost, or over another one.
    const lost = (name: string, by = 'root.pem') => {
      const { subjectPKInfoDer } = readPathCertificate(der(name))!;
      return { ...recordBy(by, '01'), lostKeySha256: hash('sha256', subjectPKInfoDer, 'hex') };
    };
    expect(said(lost('issuing.pem'), atSeconds)).toHaveLength(1);
    expect(said(lost('root.pem'), atSeconds)).toEqual([]);
    expect(said(lost('issuing.pem', 'issuing.pem'), atSeconds)).toEqual([]);
  });

  it('relies on no CRL that is over, of another CA, or not signed by its issuer', () => {
    const crls = [der('full.crl')];
    const later = { status: 'leaf', atSeconds: nowSeconds + 40 * days } as const;
    const { path, problems } = verify('good.pem', { crls }, later);
    expect(path[0]?.findings).toMatchObject([{ state: 'unusable' }]);
    expect(problems.map(({ detail }) => detail)).toContain('nothing that is here tells its status');
    const forged = Uint8Array.from(der('full.crl'));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    expect(verify('bad.pem', { crls: [forged] }).path[0]?.findings).toMatchObject([
      { state: 'unusable', detail: expect.stringContaining('does not verify') as string },
    ]);
    expect(problemsOf('good.pem', { crls }, { status: 'all' })).toEqual([
      '1: nothing that is here tells its status',
    ]);
  });

  it('believes a CRL that is not in force where it revokes for good, and in nothing else', () => {
    const inAnHour = new Date((nowSeconds + 3_600) * 1_000).toISOString().replace(/\D/g, '');
    pki.crl('of-later', '-crl_lastupdate', `${inAnHour.slice(0, 14)}Z`);
    const saysAt = (name: string, crl: string, atSeconds: number) =>
      verify(name, { crls: [der(crl)] }, { atSeconds }).path[0]?.findings.map(({ state }) => state);
    const isOver = nowSeconds + 40 * days;
    for (const [crl, atSeconds] of [
      ['full.crl', isOver],
      ['of-later.crl', nowSeconds],
    ] as const) {
      expect(saysAt('bad.pem', crl, atSeconds)).toEqual(['revoked']);
      expect(saysAt('held.pem', crl, atSeconds)).toEqual(['unusable']);
      expect(saysAt('good.pem', crl, atSeconds)).toEqual(['unusable']);
    }
    expect(saysAt('bad.pem', 'of-later.crl', nowSeconds - 10 * days)).toEqual(['unusable']);
    expect(saysAt('bad.pem', 'other_partition.crl', isOver)).toEqual([]);
    expect(saysAt('bad.pem', 'unreadable_partition.crl', isOver)).toEqual(['unusable']);
    const forged = Uint8Array.from(der('full.crl'));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    expect(problemsOf('bad.pem', { crls: [forged] }, { atSeconds: isOver })).toEqual([]);
  });

  it.each([
    ['partition', true],
    ['other_partition', false],
    ['relative_partition', false],
    ['some_reasons', false],
  ])(
    'takes a CRL for what its issuing distribution point is about, as OpenSSL does: %s',
    (name, isGood) => {
      const crls = [der(`${name}.crl`)];
      expect(opensslSays('-crl_check', '-CRLfile', `${name}.crl`, 'good.pem')).toBe(isGood);
      expect(verify('good.pem', { crls }, { status: 'leaf' }).isValid).toBe(isGood);
    },
  );

  /** The TBS part with other elements. */
  const rebuilt = (name: string, change: (parts: readonly DerNode[]) => readonly Uint8Array[]) =>
    resign(der(name), readFileSync(pki.path('issuing.key')), (tbs) =>
      encodeSequence(...change(readDerNode(tbs)?.children ?? [])),
    );
  /** With the first of its extensions once more. */
  const twice = (parts: readonly DerNode[]) =>
    parts.map((part) => {
      const all = part.children[0]?.children.map((extension) => extension.der) ?? [];
      const isExtensions = [0xa0, 0xa3].includes(part.tag) && all.length > 0;
      return isExtensions
        ? encodeTlv(part.tag, encodeSequence(...all, ...all.slice(0, 1)))
        : part.der;
    });

  it('refuses an extension that stands twice, as OpenSSL does', () => {
    pki.writePem('twice.pem', 'CERTIFICATE', rebuilt('good.pem', twice));
    expect(problemsOf('twice.pem')).toEqual([expect.stringMatching(/^0: the extension .* twice$/)]);
    expect(opensslSays('twice.pem')).toBe(false);
    const crls = [rebuilt('full.crl', twice)];
    expect(verify('good.pem', { crls }).path[0]?.findings).toMatchObject([
      { state: 'unusable', detail: expect.stringContaining('stands twice') as string },
    ]);
  });

  it('relies on no CRL without a nextUpdate, which RFC 5280 5.1.2.5 requires', () => {
    const isTime = ({ tag }: DerNode): boolean => tag === 0x17 || tag === 0x18;
    const open = rebuilt('full.crl', (parts) => {
      const [, nextUpdate] = parts.filter(isTime);
      return parts.filter((part) => part !== nextUpdate).map((part) => part.der);
    });
    const { isValid, path } = verify('good.pem', { crls: [open] }, { status: 'leaf' });
    expect(isValid).toBe(false);
    expect(path[0]?.findings).toMatchObject([
      { state: 'unusable', detail: expect.stringContaining('nextUpdate is missing') as string },
    ]);
    expect(verify('bad.pem', { crls: [open] }).path[0]?.status?.state).toBe('revoked');
    expect(inspect(open)[0]?.object?.findings).toMatchObject([{ rule: 'crl-next-update' }]);
  });

  it.each([
    [1, 'malformedRequest'],
    [3, 'tryLater'],
    [6, 'unauthorized'],
    [4, '4, which is no OCSPResponseStatus'],
  ])('believes nothing that comes with the responseStatus %d', (status, told) => {
    const response = readFileSync(pki.path('both.ocsp'));
    response[response.indexOf(Buffer.of(0x0a, 0x01, 0x00)) + 2] = status;
    const { path } = verify('good.pem', { ocspResponses: [response] });
    expect(path[0]?.findings).toMatchObject([
      { state: 'unusable', detail: `the responder answered ${told}` },
    ]);
  });

  it('relies on no CRL whose scope cannot be read', () => {
    const crls = [der('unreadable_partition.crl')];
    expect(verify('good.pem', { crls }).path[0]?.findings).toMatchObject([{ state: 'unusable' }]);
  });

  it('believes a CRL of some reasons when it says revoked', () => {
    expect(problemsOf('bad.pem', { crls: [der('some_reasons.crl')] })).toEqual([
      expect.stringMatching(/^0: revoked at .* \(keyCompromise\)$/),
    ]);
  });

  it('takes a delta only with a full CRL of the same issuer and scope that can be relied on', () => {
    const unusable = [
      { state: 'unusable', detail: expect.stringContaining('full list') as string },
    ];
    const [delta, full] = [der('delta.crl'), der('full.crl')];
    const deltaFindings = (...others: Uint8Array[]) =>
      verify('bad.pem', { crls: [...others, delta] }).path[0]?.findings.filter(
        ({ index }) => index === others.length,
      );
    expect(deltaFindings(full)).toMatchObject([{ state: 'revoked' }]);
    const forged = Uint8Array.from(full);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    for (const others of [[], [der('of-root.crl')], [der('partition.crl')], [forged]]) {
      expect(deltaFindings(...others)).toMatchObject(unusable);
    }
    const isOver = { atSeconds: nowSeconds + 40 * days };
    expect(verify('bad.pem', { crls: [full, delta] }, isOver).path[0]?.findings).toMatchObject([
      { state: 'revoked' },
      { state: 'revoked' },
    ]);
  });

  it('asks for a status at a time: what was revoked later was good', () => {
    const crls = [der('empty.crl')];
    expect(verify('bad.pem', { crls }, { status: 'leaf' }).isValid).toBe(true);
  });

  it('finds out by OCSP, by the issuer or a delegate of it', () => {
    const responses = [readFileSync(pki.path('both.ocsp'))];
    expect(verify('good.pem', { ocspResponses: responses }, { status: 'leaf' }).isValid).toBe(true);
    expect(problemsOf('bad.pem', { ocspResponses: responses })).toEqual([
      expect.stringMatching(/^0: revoked at .* \(keyCompromise\)$/),
    ]);
    const byIssuer = [readFileSync(pki.path('by-issuer.ocsp'))];
    expect(verify('good.pem', { ocspResponses: byIssuer }, { status: 'leaf' }).isValid).toBe(true);
    const other = { ocspResponses: byIssuer };
    expect(problemsOf('bad.pem', other, { status: 'leaf' })).toHaveLength(1);
  });

  it.each([
    ['by-checked', false],
    ['both', true],
  ])('relies on no responder that is revoked, but where nobody is to check: %s', (name, isGood) => {
    const ocspResponses = [readFileSync(pki.path(`${name}.ocsp`))];
    const crls = [der('responders.crl')];
    // The finding of the list itself is of the certificate, and good.
    const { path } = verify('good.pem', { ocspResponses, crls });
    expect(path[0]?.findings).toMatchObject([
      { source: 'crl', state: 'good' },
      { source: 'ocsp', state: isGood ? 'good' : 'unusable' },
    ]);
    expect(verify('good.pem', { ocspResponses }, { status: 'leaf' }).isValid).toBe(true);
    expect(opensslBelieves(name)).toBe(isGood);
  });

  it('relies on no responder in whose certificate an extension stands twice', () => {
    pki.writePem('twice-responder.pem', 'CERTIFICATE', rebuilt('responder.pem', twice));
    copyFileSync(pki.path('responder.key'), pki.path('twice-responder.key'));
    pki.ocsp('by-twice', 'twice-responder', ['good']);
    const ocspResponses = [readFileSync(pki.path('by-twice.ocsp'))];
    const { isValid, path } = verify('good.pem', { ocspResponses }, { status: 'leaf' });
    expect(isValid).toBe(false);
    expect(path[0]?.findings).toMatchObject([
      {
        state: 'unusable',
        detail: expect.stringMatching(
          /certificate of its responder, the extension .* twice$/,
        ) as string,
      },
    ]);
  });

  it.each([
    ['with a key that can be forged', 'rsa:1024', 'responder', / RSA key has 1024 bits/],
    ['with a critical extension that nobody knows', 'rsa:2048', 'strange_responder', /1\.2\.3\.4/],
  ])('relies on no responder %s, as in paths', (_, key, section, detail) => {
    pki.run(
      ...['req', '-new', '-newkey', key, '-nodes', '-keyout', `${section}-doubtful.key`],
      ...['-subj', '/CN=doubtful', '-out', `${section}-doubtful.csr`],
    );
    pki.run(
      ...['x509', '-req', '-in', `${section}-doubtful.csr`, '-days', '30', '-extfile', 'pki.cnf'],
      ...['-CA', 'issuing.pem', '-CAkey', 'issuing.key', '-CAcreateserial'],
      ...['-extensions', section, '-out', `${section}-doubtful.pem`],
    );
    pki.ocsp('by-doubtful', `${section}-doubtful`, ['good']);
    const ocspResponses = [readFileSync(pki.path('by-doubtful.ocsp'))];
    const { isValid, path } = verify('good.pem', { ocspResponses }, { status: 'leaf' });
    expect(path[0]?.findings).toMatchObject([
      { state: 'unusable', detail: expect.stringMatching(detail) as string },
    ]);
    expect(isValid).toBe(false);
  });

  it('takes a responder whose id-pkix-ocsp-nocheck is critical: it is understood here', () => {
    pki.device('critical-responder', 'unchecked_responder');
    pki.ocsp('by-critical', 'critical-responder', ['good']);
    const ocspResponses = [readFileSync(pki.path('by-critical.ocsp'))];
    const demands = { status: 'leaf', atSeconds: Math.ceil(Date.now() / 1_000) } as const;
    expect(verify('good.pem', { ocspResponses }, demands).problems).toEqual([]);
  });

  /** by-issuer.ocsp, signed anew with more in its ResponseData, or a change of the answer in it. */
  const answered = ({
    inAnswer = (part) => part.der,
    more = [],
    moreInAnswer = [],
  }: {
    inAnswer?: (part: DerNode) => Uint8Array;
    more?: readonly Uint8Array[];
    moreInAnswer?: readonly Uint8Array[];
  }): Uint8Array => {
    const octets = readDerNode(readFileSync(pki.path('by-issuer.ocsp')))!.children[1]!.children[0]!
      .children[1]!;
    const basic = resign(octets.content, readFileSync(pki.path('issuing.key')), (tbs) => {
      const [responder, producedAt, responses] = readDerNode(tbs)!.children;
      const answer = responses!.children[0]!.children.map(inAnswer);
      return encodeSequence(
        responder!.der,
        producedAt!.der,
        encodeSequence(encodeSequence(...answer, ...moreInAnswer)),
        ...more,
      );
    });
    const type = encodeOid('1.3.6.1.5.5.7.48.1.1');
    return encodeSequence(
      Uint8Array.of(0x0a, 1, 0),
      encodeTlv(0xa0, encodeSequence(type, encodeOctetString(basic))),
    );
  };
  const extension = (oid: string, isCritical: boolean): Uint8Array =>
    encodeSequence(
      encodeOid(oid),
      ...(isCritical ? [Uint8Array.of(1, 1, 0xff)] : []),
      encodeOctetString(Uint8Array.of(5, 0)),
    );
  const extensions = (...all: readonly Uint8Array[]): readonly Uint8Array[] => [
    encodeTlv(0xa1, encodeSequence(...all)),
  ];
  const [critical, harmless] = [extension('1.2.3.4', true), extension('1.2.3.4', false)];
  const findingsOf = (response: Uint8Array, afterSeconds = 0) =>
    verify(
      'good.pem',
      { ocspResponses: [response] },
      { status: 'leaf', atSeconds: nowSeconds + afterSeconds },
    ).path[0]?.findings;

  it.each([
    ['critical and unknown', 'of the response', { more: extensions(critical) }],
    ['critical and unknown', 'of the answer', { moreInAnswer: extensions(critical) }],
    ['there twice', 'of the response', { more: extensions(harmless, harmless) }],
    ['there twice', 'of the answer', { moreInAnswer: extensions(harmless, harmless) }],
  ])('relies on no OCSP answer with an extension that is %s, %s', (what, _, change) => {
    const response = answered(change);
    const detail = what === 'there twice' ? 'stands twice' : '1.2.3.4 is not understood';
    expect(findingsOf(response)).toMatchObject([
      { state: 'unusable', detail: expect.stringContaining(detail) as string },
    ]);
    expect(inspect(response)[0]?.object?.findings).toMatchObject([{ rule: 'ocsp-extensions' }]);
  });

  it('relies on OCSP answers with extensions that are not critical', () => {
    const response = answered({
      more: extensions(harmless),
      moreInAnswer: extensions(harmless),
    });
    expect(findingsOf(response)).toMatchObject([{ state: 'good' }]);
    expect(inspect(response)[0]?.object?.findings).toEqual([]);
  });

  it('relies on an OCSP answer without nextUpdate for five minutes, on one that is no time never', () => {
    const isNextUpdate = ({ tag }: DerNode): boolean => tag === 0xa0;
    const none = new Uint8Array();
    const undated = answered({ inAnswer: (part) => (isNextUpdate(part) ? none : part.der) });
    expect(findingsOf(undated)).toMatchObject([{ state: 'good' }]);
    expect(findingsOf(undated, 240)).toMatchObject([{ state: 'good' }]);
    const unusable = [
      { state: 'unusable', detail: expect.stringContaining('until when it counts') as string },
    ];
    for (const seconds of [301, 10 * 365 * days]) {
      expect(findingsOf(undated, seconds)).toMatchObject(unusable);
    }
    const noTime = encodeTlv(0xa0, encodeTlv(0x18, Buffer.from('20991399000000Z')));
    const bad = answered({ inAnswer: (part) => (isNextUpdate(part) ? noTime : part.der) });
    expect(findingsOf(bad)).toMatchObject([{ state: 'unusable' }]);
  });

  it('believes a list and an answer that revoke of a time to come: they say so now', () => {
    const toCome = encodeTlv(0x18, Buffer.from('20991231000000Z'));
    const revoked = encodeTlv(0xa1, toCome);
    const isGood = ({ tag }: DerNode): boolean => tag === 0x80;
    const answer = answered({ inAnswer: (part) => (isGood(part) ? revoked : part.der) });
    expect(findingsOf(answer)).toMatchObject([{ state: 'revoked' }]);
    const isEntries = ({ tag, children }: DerNode): boolean =>
      tag === 0x30 && children[0]?.children[0]?.tag === 0x02;
    const dated = ({ children: [serialNumber, , ...extensions] }: DerNode): Uint8Array =>
      encodeSequence(serialNumber!.der, toCome, ...extensions.map(({ der: part }) => part));
    const list = rebuilt('full.crl', (parts) =>
      parts.map((part) =>
        isEntries(part) ? encodeSequence(...part.children.map(dated)) : part.der,
      ),
    );
    expect(verify('bad.pem', { crls: [list] }, justNow()).path[0]?.status?.state).toBe('revoked');
    expect(verify('good.pem', { crls: [list] }, justNow()).path[0]?.status?.state).toBe('good');
  });

  it.each([
    ['responder', 'which has ended too'],
    ['issuing', 'the CA itself'],
  ])('believes a revocation for good past the nextUpdate of an answer of %s, %s', (signer) => {
    const lost = `lost-by-${signer}`;
    pki.device(lost);
    pki.revoke(lost, 'keyCompromise');
    pki.ocsp(lost, signer, [lost, 'good', 'held', 'bad']);
    const ocspResponses = [readFileSync(pki.path(`${lost}.ocsp`))];
    const later = nowSeconds + 20 * 365 * days;
    const lateOf = (file: string) => verify(file, { ocspResponses }, { atSeconds: later });
    const told = { state: 'revoked', reason: 'keyCompromise' };
    expect(lateOf(`${lost}.pem`).path[0]?.status).toMatchObject(told);
    expect(lateOf('good.pem').path[0]?.status).toEqual({ state: 'untold' });
    expect(lateOf('held.pem').path[0]?.status).toEqual({ state: 'untold' });
    // Not before it was said.
    const earlier = verify(`${lost}.pem`, { ocspResponses }, { atSeconds: nowSeconds - days });
    expect(earlier.path[0]?.status).toEqual({ state: 'untold' });
  });

  it('believes no revocation without a reason past nextUpdate: it may be a hold that was released', () => {
    const revoked = encodeTlv(0xa1, encodeTlv(0x18, Buffer.from('20260101000000Z')));
    const isGood = ({ tag }: DerNode): boolean => tag === 0x80;
    const answer = answered({ inAnswer: (part) => (isGood(part) ? revoked : part.der) });
    expect(findingsOf(answer)).toMatchObject([{ state: 'revoked', reason: undefined }]);
    expect(findingsOf(answer, 20 * 365 * days)).toMatchObject([{ state: 'unusable' }]);
  });

  it('relies on no response of a device, however right it looks', () => {
    const ocspResponses = [readFileSync(pki.path('by-device.ocsp'))];
    const { isValid, path } = verify('good.pem', { ocspResponses }, { status: 'leaf' });
    expect(isValid).toBe(false);
    expect(path[0]?.findings).toMatchObject([
      { state: 'unusable', detail: 'the certificate of its responder lacks id-kp-OCSPSigning' },
    ]);
  });

  it('refuses a signature with unused bits, as OpenSSL does', () => {
    const key = readFileSync(pki.path('issuing.key'));
    let signed = resign(der('good.pem'), key, (tbs) => tbs);
    while (((signed.at(-1) ?? 1) & 1) === 1) signed = resign(der('good.pem'), key, (tbs) => tbs);
    const signature = readDerNode(signed)?.children[2]?.content.length ?? 0;
    signed[signed.length - signature] = 1;
    pki.writePem('unused-bits.pem', 'CERTIFICATE', signed);
    expect(() => verify('unused-bits.pem')).toThrow(/certificate 1 cannot be read/);
    expect(opensslSays('unused-bits.pem')).toBe(false);
  });

  /** Undefined where the bytes are refused with a code; anything else that is thrown fails the test. */
  const unlessRefused = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (error instanceof CertmillError && error.code === 'INVALID_INPUT') return undefined;
      throw error;
    }
  };
  const verifyDer = (leaf: Uint8Array, sources: Partial<VerificationSources>) =>
    openVerifier({
      anchors: [der('root.pem')],
      intermediates: [der('issuing.pem')],
      crls: [],
      ocspResponses: [],
      ...sources,
    }).verify(leaf, { atSeconds: nowSeconds, status: 'none' });

  it('finds no altered certificate valid, and crashes on none that its issuer signed', () => {
    const [good, key] = [der('good.pem'), readFileSync(pki.path('issuing.key'))];
    for (const altered of alteredElements(good)) {
      unlessRefused(() => inspect(altered));
      const isValid = unlessRefused(() => verifyDer(altered, {}))?.isValid ?? false;
      const isSame = Buffer.compare(altered, good) === 0;
      expect([isValid && !isSame, Buffer.from(altered).toString('hex')]).toEqual([
        false,
        expect.anything(),
      ]);
    }
    for (const tbs of alteredElements(readDerNode(good)!.children[0]!.der)) {
      const signed = resign(good, key, () => tbs);
      unlessRefused(() => inspect(signed));
      unlessRefused(() => verifyDer(signed, {}));
      unlessRefused(() => verifyDer(good, { intermediates: [signed] }));
    }
  });

  it('crashes on no altered CRL that its issuer signed, and on no altered response', () => {
    const [bad, key] = [der('bad.pem'), readFileSync(pki.path('issuing.key'))];
    for (const name of ['partition.crl', 'delta.crl']) {
      for (const tbs of alteredElements(readDerNode(der(name))!.children[0]!.der)) {
        const crl = resign(der(name), key, () => tbs);
        unlessRefused(() => inspect(crl));
        unlessRefused(() => verifyDer(bad, { crls: [der('full.crl'), crl] }));
      }
    }
    for (const response of alteredElements(readFileSync(pki.path('both.ocsp')))) {
      unlessRefused(() => inspect(response));
      const [first] =
        unlessRefused(() => verifyDer(bad, { ocspResponses: [response] }))?.path ?? [];
      expect(first?.status?.state ?? 'untold').not.toBe('good');
    }
  });

  it('refuses sources that are none', () => {
    expect(() => verify('good.pem', { crls: [der('good.pem')] })).toThrow(/CRL 1 cannot be read/);
    expect(() => verify('good.pem', { anchors: [Buffer.from('x')] })).toThrow(/trust anchor 1/);
  });
});
