/** A secret and its name, which a failed test shows in its place. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** Shorter ones would be found by chance. */
const minLength = 16;

/** Names of the secrets that a text holds: as they are, and as base64 or hex of their octets. */
export function secretsIn(text: string, secrets: readonly Secret[]): readonly string[] {
  return secrets
    .filter(({ value }) => formsOf(value).some((form) => text.includes(form)))
    .map(({ name }) => name);
}

function formsOf(value: string): readonly string[] {
  if (value.length < minLength) throw new Error('a secret of the test is too short to search for');
  const octets = Buffer.from(value, /^(?:[0-9a-f]{2})+$/.test(value) ? 'hex' : 'utf8');
  // The last octets of base64 depend on what follows.
  const base64 = octets.toString('base64').replace(/..=*$/, '');
  return [value, base64, octets.toString('hex')];
}

/** A line of a PEM file that is there for the private key alone. */
export function lineOfPem(pem: string): string {
  const lines = pem.split('\n').filter((line) => line !== '' && !line.startsWith('-'));
  return lines[1] ?? lines[0] ?? '';
}
