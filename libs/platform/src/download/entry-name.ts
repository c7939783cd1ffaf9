/** Longest part of a name that the device id gets: with the rest it fits ustar's 100 octets. */
const maxIdCharacters = 72;

/**
 * The file name of a certificate in an archive: the index makes it unique, also where case does not
 * count; of the device id only letters, digits, `.`, `_` and `-` stay, so no name leaves its folder.
 */
export function entryName(index: number, deviceId: string): string {
  const safe = deviceId.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, maxIdCharacters);
  const number = String(index).padStart(8, '0');
  return `certificates/${safe === '' ? number : `${number}-${safe}`}.der`;
}
