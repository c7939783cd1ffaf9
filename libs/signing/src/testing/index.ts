/** Issuers and chunks for tests of other packages. */
export { aChunk, tlsClientHash, tlsClientText, type TestChunk } from './a-chunk.js';
export { anIssuer, type IssuerKeyType, type TestIssuer } from './an-issuer.js';
export { importTokenKey, type ImportedKey } from './import-token-key.js';
export { closeTokenSessions, logOutOfToken } from './lose-token-state.js';
