import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrorCode } from '../atomic-file.js';
import { certificatesInPem, readCaCertificate } from './ca-certificate.js';
import { certificateOf } from './certificate-spec.js';
import { endOf } from './issue-authority.js';
import { noExpirationMs } from './issue-ca-certificate.js';
import type { Issuer } from './load-issuers.js';
import { formerFolderName } from './issuer-paths.js';

/**
 * The end of the next certificate of a CA whose life is counted from `beginMs`: of the lifetime that is
 * asked for, else of that which it was made for at first, and then at most `latestMs`. Throws as `endOf`.
 */
export async function renewedEnd(
  ca: Issuer,
  wish: { readonly lifetimeSeconds?: number },
  beginMs: number,
  latestMs: number,
): Promise<number> {
  if (wish.lifetimeSeconds !== undefined) return endOf(wish, beginMs, latestMs);
  const { lifetimeSeconds } = await firstLifetime(ca);
  return lifetimeSeconds === undefined
    ? latestMs
    : Math.min(beginMs + (lifetimeSeconds - 1) * 1_000, latestMs);
}

/**
 * How long a CA was made for at first; nothing where it has no expiration. Lives of renewed certificates
 * grow, as they begin when the first one did: the shortest is the first.
 */
export async function firstLifetime(ca: Issuer): Promise<{ readonly lifetimeSeconds?: number }> {
  const certificates = [certificateOf(ca), ...(await formerCertificates(ca))];
  const lives = certificates.flatMap(({ notBeforeMs, notAfterMs }) =>
    notAfterMs === noExpirationMs ? [] : notAfterMs - notBeforeMs,
  );
  return lives.length === 0 ? {} : { lifetimeSeconds: Math.min(...lives) / 1_000 + 1 };
}

async function formerCertificates({ directory }: Issuer) {
  const folder = join(directory, formerFolderName);
  const names = (await namesIn(folder)).filter((name) => name.endsWith('.pem'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts
    .flatMap((text) => certificatesInPem(text).slice(0, 1))
    .map((der) => readCaCertificate(der, `a certificate in ${folder}`));
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}
