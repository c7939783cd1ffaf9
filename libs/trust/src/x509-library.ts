// The decorators of @peculiar/x509 need this first.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

// Node's own WebCrypto: the types differ in name only.
x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

/** @peculiar/x509 on Node's WebCrypto: makes CA certificates and reads samples back. */
export { x509 };
