import 'reflect-metadata';

import assert from 'node:assert';

import { AsnConvert } from '@peculiar/asn1-schema';
import {
  ExtendedKeyUsage,
  GeneralNames,
  BasicConstraints as OracleBasicConstraints,
  KeyUsage as OracleKeyUsage,
  type GeneralName as OracleGeneralName,
  Name,
} from '@peculiar/asn1-x509';

import { oids } from '../encoding/oids.js';
import {
  type DecodedExtension,
  readBasicConstraints,
  readExtKeyUsage,
  readKeyUsage,
} from '../certificates/read-extensions.js';
import { type GeneralName, readGeneralNames } from '../names/read-general-names.js';
import { type DecodedName, readName } from '../names/read-name.js';
import type { DerResult } from '../encoding/der-error.js';

/** The value, where the input is known to be good. */
export function valueOf<T>(result: DerResult<T>): T {
  if (result.ok) return result.value;
  throw new assert.AssertionError({
    message: `${result.error.code} at ${result.error.offset}`,
  });
}

export function hexOf(bytes: ArrayBuffer | Uint8Array): string {
  return Buffer.from(bytes as Uint8Array).toString('hex');
}

function pairsOf(name: DecodedName): string[][] {
  return name.map((rdn) => rdn.map((attribute) => `${attribute.oid}=${attribute.value}`));
}

function oraclePairsOf(name: Name): string[][] {
  return [...name].map((rdn) =>
    [...rdn].map((attribute) => `${attribute.type}=${attribute.value.toString()}`),
  );
}

/** Whether `readName` and the oracle see the same Name in `bytes[start, end)`. */
export function expectSameName(bytes: Uint8Array, start: number, end: number): void {
  const oracle = AsnConvert.parse(bytes.slice(start, end), Name);
  expect(pairsOf(valueOf(readName(bytes, start, end)))).toEqual(oraclePairsOf(oracle));
}

function describe(name: GeneralName, bytes: Uint8Array): unknown {
  const range = bytes.slice(name.valueStart, name.valueEnd);
  switch (name.kind) {
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
      return [name.kind, name.value];
    case 'iPAddress':
      return [name.kind, addressOf(range)];
    case 'registeredID':
      return [name.kind, name.oid];
    case 'directoryName':
      return [name.kind, pairsOf(name.name)];
    case 'hardwareModuleName':
      return ['otherName', oids.id_on_hardwareModuleName, hexOf(range)];
    case 'otherName':
      return [name.kind, name.typeId, hexOf(range)];
    case 'x400Address':
    case 'ediPartyName':
      return [name.kind];
  }
}

/** The normal form of an address, through the URL parser. */
function addressOf(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  const groups = hexOf(octets).match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname;
}

function describeOracle(name: OracleGeneralName): unknown {
  if (name.dNSName !== undefined) return ['dNSName', name.dNSName];
  if (name.rfc822Name !== undefined) return ['rfc822Name', name.rfc822Name];
  if (name.registeredID !== undefined) return ['registeredID', name.registeredID];
  if (name.directoryName !== undefined) return ['directoryName', oraclePairsOf(name.directoryName)];
  if (name.iPAddress !== undefined) {
    const address = name.iPAddress;
    return ['iPAddress', address.includes(':') ? new URL(`http://[${address}]`).hostname : address];
  }
  if (name.otherName !== undefined) {
    return ['otherName', name.otherName.typeId, hexOf(name.otherName.value)];
  }
  return ['uniformResourceIdentifier', name.uniformResourceIdentifier];
}

/** Whether the value readers and the oracle see the same in an extension that both know. */
export function expectSameExtensionValue(bytes: Uint8Array, extension: DecodedExtension): void {
  const { oid, valueStart, valueEnd } = extension;
  const der = bytes.slice(valueStart, valueEnd);
  switch (oid) {
    case oids.id_ce_subjectAltName: {
      const names = valueOf(readGeneralNames(bytes, valueStart, valueEnd));
      const oracle = AsnConvert.parse(der, GeneralNames);
      expect(names.map((name) => describe(name, bytes))).toEqual([...oracle].map(describeOracle));
      break;
    }
    case oids.id_ce_keyUsage: {
      // The oracle reads bits from the last octet, so only those of one octet can be compared.
      if (der.length !== 4) break;
      const usages = valueOf(readKeyUsage(bytes, valueStart, valueEnd));
      const oracle = AsnConvert.parse(der, OracleKeyUsage).toJSON();
      const names = oracle.map((usage) => (usage === 'crlSign' ? 'cRLSign' : usage));
      expect([...usages].sort()).toEqual(names.sort());
      break;
    }
    case oids.id_ce_basicConstraints: {
      const { cA, pathLenConstraint } = valueOf(readBasicConstraints(bytes, valueStart, valueEnd));
      const oracle = AsnConvert.parse(der, OracleBasicConstraints);
      expect([cA, pathLenConstraint]).toEqual([oracle.cA, oracle.pathLenConstraint]);
      break;
    }
    case oids.id_ce_extKeyUsage:
      expect(valueOf(readExtKeyUsage(bytes, valueStart, valueEnd))).toEqual([
        ...AsnConvert.parse(der, ExtendedKeyUsage),
      ]);
      break;
    default:
  }
}
