import { CertmillError } from '@certmill/domain';
import { inspect, type InspectedItem } from '@certmill/trust';

/** What the bytes of a file hold. INVALID_INPUT as `inspect` says it, with the name of the file. */
export function inspectFile(file: string, bytes: Uint8Array): readonly InspectedItem[] {
  try {
    return inspect(bytes);
  } catch (cause) {
    if (!(cause instanceof CertmillError)) throw cause;
    throw new CertmillError(cause.code, `${file}: ${cause.message}`, { cause });
  }
}
