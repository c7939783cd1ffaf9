import { CertmillDerError } from './der-error.js';
import { tags } from './tags.js';

const SECONDS_PER_DAY = 86_400;
const FIRST_UTC_TIME_SECONDS = -631_152_000; // 1950-01-01T00:00:00Z
const FIRST_GENERALIZED_TIME_SECONDS = 2_524_608_000; // 2050-01-01T00:00:00Z

/** 99991231235959Z: "no well-defined expiration date" (RFC 5280 4.1.2.5). */
export const NO_EXPIRATION_SECONDS = 253_402_300_799;

/** Octets of a UTCTime and of a GeneralizedTime in the one form that DER and RFC 5280 leave. */
export const UTC_TIME_OCTETS = 13;
export const GENERALIZED_TIME_OCTETS = 15;

/** Whether RFC 5280 4.1.2.5 wants UTCTime (through 2049) for this time. */
export function isUtcTimeYear(epochSeconds: number): boolean {
  return epochSeconds < FIRST_GENERALIZED_TIME_SECONDS;
}

/** Days since 1970-01-01 of a proleptic Gregorian date. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/**
 * Writes `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` at `position` and returns the octets written.
 * Arithmetic instead of Date: no garbage, and this runs twice per certificate.
 */
export function writeTimeContent(out: Uint8Array, position: number, epochSeconds: number): number {
  return writeDateTime(out, position, epochSeconds, isUtcTimeYear(epochSeconds));
}

/** The same, always as `YYYYMMDDHHMMSSZ`: what is no Time but a GeneralizedTime (RFC 5280 5.3.2). */
export function writeGeneralizedTimeContent(
  out: Uint8Array,
  position: number,
  epochSeconds: number,
): number {
  return writeDateTime(out, position, epochSeconds, false);
}

function writeDateTime(
  out: Uint8Array,
  position: number,
  epochSeconds: number,
  isUtcTime: boolean,
): number {
  if (
    !Number.isInteger(epochSeconds) ||
    epochSeconds < FIRST_UTC_TIME_SECONDS ||
    epochSeconds > NO_EXPIRATION_SECONDS
  ) {
    throw new CertmillDerError(
      'slot-value-invalid',
      'a time is in whole seconds between 1950 and 9999',
    );
  }
  const days = Math.floor(epochSeconds / SECONDS_PER_DAY);
  const second = epochSeconds - days * SECONDS_PER_DAY;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);

  let cursor = position;
  if (!isUtcTime) {
    writePair(out, cursor, Math.floor(year / 100));
    cursor += 2;
  }
  writePair(out, cursor, year % 100);
  writePair(out, cursor + 2, month);
  writePair(out, cursor + 4, day);
  writePair(out, cursor + 6, Math.floor(second / 3_600));
  writePair(out, cursor + 8, Math.floor(second / 60) % 60);
  writePair(out, cursor + 10, second % 60);
  out[cursor + 12] = 0x5a; // Z
  return cursor + 13 - position;
}

function writePair(out: Uint8Array, position: number, value: number): void {
  const tens = Math.floor(value / 10);
  out[position] = 0x30 + tens;
  out[position + 1] = 0x30 + value - tens * 10;
}

/** The content octets of a Time for `epochSeconds`. */
export function encodeTimeContent(epochSeconds: number): Uint8Array {
  const content = new Uint8Array(
    isUtcTimeYear(epochSeconds) ? UTC_TIME_OCTETS : GENERALIZED_TIME_OCTETS,
  );
  writeTimeContent(content, 0, epochSeconds);
  return content;
}

/**
 * Epoch seconds of the content of a UTCTime or GeneralizedTime, or NaN when it is not exactly
 * `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` with a real date (RFC 5280 4.1.2.5.1 and 4.1.2.5.2).
 */
export function readTimeContent(
  bytes: Uint8Array,
  tag: number,
  start: number,
  end: number,
): number {
  const octets = tag === tags.utcTime ? UTC_TIME_OCTETS : GENERALIZED_TIME_OCTETS;
  if (end - start !== octets || bytes[end - 1] !== 0x5a) return Number.NaN;
  const short = readPair(bytes, end - 13);
  const year =
    tag === tags.utcTime
      ? short + (short >= 50 ? 1_900 : 2_000)
      : readPair(bytes, start) * 100 + short;
  const month = readPair(bytes, end - 11);
  const day = readPair(bytes, end - 9);
  const hour = readPair(bytes, end - 7);
  const minute = readPair(bytes, end - 5);
  const second = readPair(bytes, end - 3);
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) {
    return Number.NaN;
  }
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;
  return daysFromCivil(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
}

function readPair(bytes: Uint8Array, position: number): number {
  const tens = (bytes[position] ?? 0) - 0x30;
  const ones = (bytes[position + 1] ?? 0) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
