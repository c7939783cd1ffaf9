import { basename, relative } from 'node:path';
import { CertmillError, durationSeconds } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import { constraintsOfTexts } from '../../hierarchy/ca-constraints.js';
import { caProfiles } from '../../hierarchy/ca-profiles.js';
import { certificatesInPem, readCaCertificate } from '../../hierarchy/ca-certificate.js';
import { issuedFileOf } from '../../hierarchy/issue-authority.js';
import { caCrlFileName } from '../../hierarchy/ca-crl-time.js';
import { crlNumberFileName, signCaCrl } from '../../hierarchy/issue-ca-crl.js';
import { refusalOf } from '../../hierarchy/load-issuers.js';
import { authorityIn, type SigningAuthority } from '../../hierarchy/open-authority.js';
import { crossCertificate } from '../../hierarchy/cross-certify.js';
import { certificateForRequest } from '../../hierarchy/request-authority.js';
import { assertSameReason, planCaRevocation } from '../../hierarchy/revoke-authority.js';
import { revokedCasFileName, revokedCasText } from '../../hierarchy/revoked-cas.js';
import type { StepOf } from '../ceremony-file.js';
import { withCaKey, type StepContext, type StepFacts } from '../step-context.js';
import { certificateFacts } from './make-root.js';

/** A CA certificate for a request that was carried here: a new CA, or a renewal or new key of one. */
export async function issueCa(step: StepOf<'issue-ca'>, context: StepContext): Promise<StepFacts> {
  const requestPem = Buffer.from(await context.input(step.request)).toString('utf8');
  const { pathLength, lifetime, profile } = step;
  const chainDer = await withAuthority(step.under, context, async (parent) => {
    const signed = await certificateForRequest(
      {
        requestPem,
        ...(lifetime === undefined ? {} : { lifetimeSeconds: durationSeconds(lifetime) }),
        ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
        ...constraintsOfTexts(step),
        ...(profile === undefined ? {} : { profile: caProfiles[profile] }),
        nowMs: context.nowMs,
      },
      parent,
    );
    return signed.chainDer;
  });
  return putOut(chainDer, step.under, basename(step.request.file), context);
}

/** A cross-certificate (RFC 5280 3.2): the subject and key of another CA under one of ours. */
export async function crossCertify(
  step: StepOf<'cross-certify'>,
  context: StepContext,
): Promise<StepFacts> {
  const other = certificateIn(await context.input(step.certificate), step.certificate.file);
  const chainDer = await withAuthority(step.under, context, async (by) => {
    const { lifetime, pathLength } = step;
    const certificateDer = await crossCertificate(other, by, {
      ...(lifetime === undefined ? {} : { lifetimeSeconds: durationSeconds(lifetime) }),
      ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
      nowMs: context.nowMs,
    });
    return [certificateDer, ...by.ca.chainDer];
  });
  return putOut(chainDer, step.under, basename(step.certificate.file), context);
}

/** Records that a CA has revoked a CA, every certificate over its key; the next `make-crl` says so. */
export async function revokeCa(
  step: StepOf<'revoke-ca'>,
  context: StepContext,
): Promise<StepFacts> {
  const { dataDirectory, stage, nowMs } = context;
  const { der } = certificateIn(await context.input(step.certificate), step.certificate.file);
  const parent = await authorityIn(dataDirectory, step.under);
  const { outcome, revokedCas } = await planCaRevocation(
    { directory: dataDirectory, certificateDer: der, reason: step.reason, nowMs },
    parent,
  );
  assertSameReason(outcome, step.reason);
  const { revoked, others, isNew, notCovered, unread } = outcome;
  if (isNew) {
    await stage.put(`ca/${step.under}/${revokedCasFileName}`, revokedCasText(revokedCas));
  }
  return {
    ...{ ...revoked, isNew, others },
    notCovered: notCovered.map(({ certificate }) => certificateFacts(certificate.der)),
    unread: unread.map((file) => relative(dataDirectory, file)),
  };
}

/** The CRL of a CA over the CAs that it has revoked. */
export async function makeCrl(step: StepOf<'make-crl'>, context: StepContext): Promise<StepFacts> {
  const { stage, nowMs } = context;
  const crl = await withAuthorityKey(step.ca, context, async (opened) =>
    signCaCrl(opened, durationSeconds(step.nextUpdate), nowMs, async (text) =>
      stage.put(`ca/${step.ca}/${crlNumberFileName}`, text),
    ),
  );
  await stage.put(`ca/${step.ca}/${caCrlFileName}`, crl.der);
  await stage.output(`${step.ca}.crl.pem`, pemEncode('X509 CRL', crl.der));
  return {
    ca: step.ca,
    crlNumber: String(crl.crlNumber),
    thisUpdate: new Date(crl.thisUpdateMs).toISOString(),
    nextUpdate: new Date(crl.nextUpdateMs).toISOString(),
    entries: crl.entries,
  };
}

/** What was issued goes to people, and is kept with the CA that signed it. */
async function putOut(
  chainDer: readonly Uint8Array[],
  under: string,
  inputName: string,
  { stage, dataDirectory }: StepContext,
): Promise<StepFacts> {
  const [certificateDer = new Uint8Array()] = chainDer;
  const name = inputName.replace(/(?:\.csr)?(?:\.pem)?$/, '');
  const pems = chainDer.map((der) => pemEncode('CERTIFICATE', der));
  await stage.output(`${name}.chain.pem`, pems.join(''));
  const parent = await authorityIn(dataDirectory, under);
  await stage.put(`ca/${under}/${issuedFileOf(certificateDer)}`, pems[0] ?? '');
  return { under: parent.name, ...certificateFacts(certificateDer) };
}

function certificateIn(bytes: Uint8Array, file: string): ReturnType<typeof readCaCertificate> {
  const [der] = certificatesInPem(Buffer.from(bytes).toString('utf8'));
  if (der !== undefined) return readCaCertificate(der, file);
  throw new CertmillError('INVALID_INPUT', `${file} holds no PEM certificate`);
}

/** CONFLICT where nothing may be signed with the CA any more. */
async function withAuthority<T>(
  name: string,
  context: StepContext,
  use: (authority: SigningAuthority) => Promise<T>,
): Promise<T> {
  const refusal = refusalOf(await authorityIn(context.dataDirectory, name), context.nowMs);
  if (refusal !== undefined) throw new CertmillError('CONFLICT', refusal);
  return withAuthorityKey(name, context, use);
}

async function withAuthorityKey<T>(
  name: string,
  context: StepContext,
  use: (authority: SigningAuthority) => Promise<T>,
): Promise<T> {
  const ca = await authorityIn(context.dataDirectory, name);
  const { chainDer } = ca;
  return withCaKey(name, context, async (signer) => use({ ca, chainDer, signer }));
}
