import type { AuditEntry } from '@certmill/domain';

/** A trail is no archive: so much of a text, and of an entry so many. */
const maxTextCharacters = 500;
const maxDetails = 40;
/** Of all that is noted as JSON together, such as the steps of a run: a server takes a note of 64 Ki characters. */
const maxJsonCharacters = 8_000;

/** What is noted of the parameters or the result of a command: what is no text or number as JSON. */
export function noteOf(values: object): AuditEntry['detail'] {
  let jsonLeft = maxJsonCharacters;
  const noted = (value: unknown): string | number | boolean => {
    if (typeof value === 'number' || typeof value === 'boolean') return value;
    if (typeof value === 'string') return value.slice(0, maxTextCharacters);
    const json = JSON.stringify(value).slice(0, jsonLeft);
    jsonLeft -= json.length;
    return json;
  };
  return Object.fromEntries(
    (Object.entries(values) as [string, unknown][])
      .filter(([, value]) => value !== undefined && value !== null)
      .slice(0, maxDetails)
      .map(([name, value]) => [name, noted(value)]),
  );
}
