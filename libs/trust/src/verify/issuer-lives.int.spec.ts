import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificatesInPem, pemOfCertificates } from '../hierarchy/ca-certificate.js';
import { distinguishedNameDer } from '../hierarchy/distinguished-name.js';
import { createRoot, issueAuthority } from '../hierarchy/issue-authority.js';
import { loadIssuer } from '../hierarchy/load-issuers.js';
import {
  completeAuthority,
  requestRenewal,
  type SignRequestOptions,
  signAuthorityRequest,
} from '../hierarchy/request-authority.js';
import { IssuerLifeReader, type IssuerLives } from './issuer-lives.js';

const passphrase = 'only for this test';
const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
const yearS = 365 * 86_400;
const [server, client, mail] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.4'];

/** An issuer below an intermediate, and a second intermediate, under a root whose folder is elsewhere. */
describe('what bounded the certificates of an issuer', () => {
  let made: string;
  let folder: string;
  let data: string;
  let medium: string;
  const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);
  const place = (name: string, directory = data) => ({ directory, name, passphrase });

  beforeAll(async () => {
    made = mkdtempSync(join(tmpdir(), 'certmill-issuer-lives-'));
    const [here, there] = [join(made, 'data'), join(made, 'medium')];
    const common = { passphrase, keyType: 'ec-p256' as const };
    await createRoot({ ...common, directory: there, subjectDer: named('Root') }, nowMs);
    for (const [name, pathLenConstraint] of [
      ['oem', 1],
      ['reg2', 1],
    ] as const) {
      const wish = { ...common, directory: here, name, subjectDer: named(name), pathLenConstraint };
      await issueAuthority({ ...wish, lifetimeSeconds: 5 * yearS }, place('root', there), nowMs);
    }
    const wish = { ...common, directory: here, name: 'fac', subjectDer: named('fac') };
    const issuing = { ...wish, pathLenConstraint: 0, lifetimeSeconds: 2 * yearS };
    await issueAuthority(issuing, place('oem', here), nowMs);
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-issuer-lives-'));
    [data, medium] = [join(folder, 'data'), join(folder, 'medium')];
    cpSync(made, folder, { recursive: true });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  afterAll(() => {
    rmSync(made, { recursive: true });
  });

  /** Another certificate of a CA, signed where the key of the one above is, and carried back. */
  async function carry(
    name: string,
    parent: ReturnType<typeof place>,
    change: Pick<SignRequestOptions, 'extKeyUsage' | 'pathLenConstraint' | 'lifetimeSeconds'>,
  ): Promise<void> {
    const requestPem = await requestRenewal(place(name));
    const { chainDer } = await signAuthorityRequest({ requestPem, parent, nowMs, ...change });
    const chainPem = pemOfCertificates(chainDer);
    const meant = { mayEndEarlier: true, mayNarrowConstraints: true };
    await completeAuthority({ ...place(name), chainPem, nowMs, ...meant });
  }
  const narrowOem = (extKeyUsage: readonly string[]) =>
    carry('oem', place('root', medium), { pathLenConstraint: 1, extKeyUsage });
  const livesOf = async (): Promise<IssuerLives> =>
    new IssuerLifeReader().of(await loadIssuer(data, 'fac'));
  const purposes = ({ lives }: IssuerLives) => lives.map(({ extKeyUsage }) => extKeyUsage);

  it('is one certificate where it has had no other', async () => {
    const issuer = await loadIssuer(data, 'fac');
    expect(await livesOf()).toEqual({ lives: [issuer], unread: [] });
  });

  it('was what each of its certificates left room for', async () => {
    const { notAfterMs } = await loadIssuer(data, 'fac');
    await carry('fac', place('oem'), { extKeyUsage: [server, client] });
    await carry('fac', place('oem'), { extKeyUsage: [server], lifetimeSeconds: yearS });
    const found = await livesOf();
    expect(purposes(found).slice(0, 1)).toEqual([[server]]);
    expect(new Set(purposes(found))).toEqual(new Set([[server], [server, client], undefined]));
    // The end of each goes with its purposes.
    const widest = found.lives.filter(({ extKeyUsage }) => extKeyUsage === undefined);
    expect(widest.map((life) => life.notAfterMs)).toEqual([notAfterMs]);
  });

  it('was what the CA above left room for before its own renewal', async () => {
    await narrowOem([server]);
    expect(purposes(await livesOf())).toEqual([[server], undefined]);
  });

  it('was what the CA above it left room for before it moved to another one', async () => {
    await narrowOem([server, mail]);
    await carry('reg2', place('root', medium), { pathLenConstraint: 1, extKeyUsage: [client] });
    await carry('fac', place('reg2'), { extKeyUsage: [client] });
    await narrowOem([server]);
    const found = purposes(await livesOf());
    expect(found[0]).toEqual([client]);
    expect(new Set(found)).toEqual(new Set([[client], [server, mail], undefined]));
  });

  it('is not what a file says that no CA above has signed, or that is of another CA', async () => {
    await carry('fac', place('oem'), { extKeyUsage: [server] });
    const former = join(data, 'ca/fac/former');
    const [kept = ''] = readdirSync(former);
    const [own, ...above] = certificatesInPem(readFileSync(join(former, kept), 'utf8'));
    expect(above).toHaveLength(2);
    const forged = Buffer.from(own!);
    forged[forged.length - 1]! ^= 1;
    writeFileSync(join(former, kept), pemOfCertificates([forged, ...above]));
    writeFileSync(join(former, 'aa.pem'), readFileSync(join(data, 'ca/reg2/chain.pem')));
    expect(await livesOf()).toMatchObject({ lives: [{ extKeyUsage: [server] }], unread: [] });
    // Without the CAs above it, it is held against those in force.
    writeFileSync(join(former, kept), pemOfCertificates([own!]));
    expect(purposes(await livesOf())).toEqual([[server], undefined]);
  });

  it('names the files that cannot be read, which hide nothing else', async () => {
    await carry('fac', place('oem'), { extKeyUsage: [server] });
    const former = join(data, 'ca/fac/former');
    writeFileSync(join(former, '00.pem'), 'nothing');
    mkdirSync(join(former, 'ff.pem'));
    const found = await livesOf();
    expect(found.unread).toEqual([join(former, '00.pem'), join(former, 'ff.pem')]);
    expect(purposes(found)).toEqual([[server], undefined]);
  });
});
