import { unpackDebian } from '../install/debian.js';
import { findCommand } from '../process/find-command.js';

const programs = ['certtool', 'ocsptool'] as const;
type GnuTlsProgram = (typeof programs)[number];

/** Where the tools of GnuTLS are: those of the system, else the distribution's in the cache. */
export async function findGnuTls(): Promise<Readonly<Record<GnuTlsProgram, string>>> {
  const [certtool, ocsptool] = programs.map((program) => findCommand(program));
  if (certtool !== undefined && ocsptool !== undefined) return { certtool, ocsptool };
  const { programFile } = await unpackDebian({
    name: 'gnutls-bin',
    together: ['libgnutls30', 'libgnutls-dane0'],
    programs,
    purpose: 'GnuTLS',
    install: 'certtool and ocsptool (Debian: gnutls-bin)',
  });
  return { certtool: programFile('certtool'), ocsptool: programFile('ocsptool') };
}
