import { contextConstructed, oids, tags } from '@certmill/der';
import { type DerNode, readDerNode } from '../lint/der-node.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { type LintedExtension, repeatedExtensions } from '../lint/linted-certificate.js';
import { enclosedSignerProblem, extensionDoubts } from '../path/ocsp-status.js';
import {
  hashOfCertId,
  type OcspCertId,
  type OcspCertStatus,
  ocspResponseStatuses,
  type OcspSingleResponse,
  readCertId,
  readOcspResponse,
  type BasicOcspResponse,
} from '../path/read-ocsp-response.js';
import { crlReasonName, extensionsOf, extensionsView, generalName } from './extension-view.js';
import type { Inspected } from './inspected.js';
import { oidName } from './oid-names.js';
import { algorithmView } from './public-key-view.js';
import { hexOf, isoTime, nameView, type View } from './view.js';

/** `OCSPResponse` (RFC 6960 4.2.1); undefined where the bytes have not that shape. */
export function inspectOcspResponse(der: Uint8Array): Inspected | undefined {
  const response = readOcspResponse(der);
  if (response === undefined) return undefined;
  const { status, basic } = response;
  const view = {
    responseStatus: ocspResponseStatuses[status] ?? status,
    ...(basic === undefined ? {} : basicView(basic)),
  };
  return { kind: 'ocsp-response', der, view, findings: basic === undefined ? [] : lint(basic) };
}

function basicView(basic: BasicOcspResponse) {
  const { responder } = basic;
  return {
    responder:
      'name' in responder
        ? { byName: nameView(responder.name) }
        : { byKey: hexOf(responder.keyHash) },
    producedAt: isoTime(basic.producedAtSeconds),
    responses: basic.responses.map(singleView),
    extensions: extensionsView(extensionsOf(basic.extensions)),
    signatureAlgorithm: algorithmView(basic.signatureAlgorithm),
    certificates: basic.certificates.length,
  };
}

function singleView(single: OcspSingleResponse): View {
  return {
    certId: certIdView(single.certId),
    ...statusView(single.status),
    thisUpdate: isoTime(single.thisUpdateSeconds),
    nextUpdate: isoTime(single.nextUpdateSeconds),
    extensions:
      single.extensions === undefined ? undefined : extensionsView(extensionsOf(single.extensions)),
  };
}

function statusView(status: OcspCertStatus) {
  if (status.state !== 'revoked') return { certStatus: status.state };
  return {
    certStatus: status.state,
    revocationTime: isoTime(status.atSeconds),
    revocationReason: status.reason === undefined ? undefined : crlReasonName(status.reason),
  };
}

function certIdView(certId: OcspCertId): View {
  return {
    hashAlgorithm: hashOfCertId(certId) ?? oidName(certId.hashAlgorithm),
    issuerNameHash: hexOf(certId.issuerNameHash),
    issuerKeyHash: hexOf(certId.issuerKeyHash),
    serialNumber: hexOf(certId.serialNumber),
  };
}

function lint(basic: BasicOcspResponse): readonly LintFinding[] {
  const { responses, producedAtSeconds } = basic;
  const findings: LintFinding[] = [];
  const say = (isWrong: boolean, rule: string, clause: string, detail: string): void => {
    if (isWrong) findings.push({ rule, clause, detail });
  };
  const problem = enclosedSignerProblem(basic);
  say(problem !== undefined, 'ocsp-signer', 'RFC 6960 4.2.2.2', problem ?? '');
  say(responses.length === 0, 'ocsp-responses', 'RFC 6960 4.2.1', 'the response answers nothing');
  say(Number.isNaN(producedAtSeconds), 'ocsp-produced-at', 'RFC 6960 4.2.1', 'producedAt is bad');
  for (const detail of [basic, ...responses].flatMap(({ extensions }) =>
    extensionDoubts(extensions),
  )) {
    say(true, 'ocsp-extensions', 'RFC 6960 4.4', detail);
  }
  for (const { thisUpdateSeconds, nextUpdateSeconds } of responses) {
    say(
      Number.isNaN(nextUpdateSeconds),
      'ocsp-next-update',
      'RFC 9919 3.2.4',
      'nextUpdate is missing: nobody may keep the response',
    );
    say(
      nextUpdateSeconds <= thisUpdateSeconds,
      'ocsp-times-in-order',
      'RFC 6960 4.2.2.1',
      'nextUpdate is not after thisUpdate',
    );
    say(
      thisUpdateSeconds > producedAtSeconds,
      'ocsp-times-in-order',
      'RFC 6960 4.2.2.1',
      'thisUpdate is after producedAt',
    );
  }
  return findings;
}

/** `OCSPRequest` (RFC 6960 4.1.1); undefined where the bytes have not that shape. */
export function inspectOcspRequest(der: Uint8Array): Inspected | undefined {
  const [tbs, signature, ...rest] = readDerNode(der)?.children ?? [];
  if (tbs?.tag !== tags.sequence || rest.length > 0) return undefined;
  if (signature !== undefined && signature.tag !== contextConstructed(0)) return undefined;
  const part = (number: number) =>
    tbs.children.find(({ tag }) => tag === contextConstructed(number))?.children[0];
  const list = tbs.children.find(({ tag }) => tag === tags.sequence);
  const certIds = (list?.children ?? []).map(
    ({ children: [certId] }) => certId && readCertId(certId),
  );
  if (certIds.length === 0 || certIds.includes(undefined)) return undefined;
  const requestor = part(1);
  const view = {
    requestorName: requestor && generalName(requestor),
    requests: certIds.flatMap((certId) => (certId === undefined ? [] : [certIdView(certId)])),
    extensions: extensionsView(extensionsOf(part(2))),
    signed: signature !== undefined,
  };
  const findings = lintRequest({
    requests: list?.children ?? [],
    extensions: extensionsOf(part(2)),
    hasRequestor: requestor !== undefined,
    isSigned: signature !== undefined,
  });
  return { kind: 'ocsp-request', der, view, findings };
}

const maxNonceOctets = 128;

/** By the nonce of RFC 9654, and by what RFC 9919 asks of a client so that its answer can be a kept one. */
function lintRequest(request: {
  readonly requests: readonly DerNode[];
  readonly extensions: readonly LintedExtension[];
  readonly hasRequestor: boolean;
  readonly isSigned: boolean;
}): readonly LintFinding[] {
  const { requests, extensions, hasRequestor, isSigned } = request;
  const findings: LintFinding[] = [];
  const say = (isWrong: boolean, rule: string, clause: string, detail: string): void => {
    if (isWrong) findings.push({ rule, clause, detail });
  };
  for (const oid of repeatedExtensions(extensions)) {
    say(true, 'extension-once', 'RFC 5280 4.2', `the extension ${oid} stands twice`);
  }
  const nonces = extensions.filter(({ oid }) => oid === oids.id_pkix_ocsp_nonce);
  for (const { value } of nonces) {
    const octets = value?.tag === tags.octetString ? value.content.length : 0;
    say(
      octets < 1 || octets > maxNonceOctets,
      'ocsp-nonce-length',
      'RFC 9654 2.1',
      'the nonce is no OCTET STRING of 1 to 128 octets',
    );
  }
  const lightweight = 'RFC 9919 3.1.1';
  say(
    requests.length > 1,
    'ocsp-one-request',
    lightweight,
    'it asks about several certificates: no answer that was made ahead fits it',
  );
  say(
    requests.some(({ children }) => children.length > 1),
    'ocsp-single-request-extensions',
    lightweight,
    'a request has singleRequestExtensions',
  );
  say(isSigned, 'ocsp-request-unsigned', 'RFC 9919 3.1.2', 'it is signed');
  say(
    hasRequestor && !isSigned,
    'ocsp-requestor-name',
    'RFC 9919 3.1.2',
    'it has a requestorName and is not signed',
  );
  return findings;
}
