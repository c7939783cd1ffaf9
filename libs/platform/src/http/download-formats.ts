export const downloadFormats = ['ndjson', 'pem', 'tar', 'zip', 'p7b'] as const;
export type DownloadFormat = (typeof downloadFormats)[number];

export const mediaTypeOfFormat = {
  ndjson: 'application/x-ndjson',
  pem: 'application/x-pem-file',
  tar: 'application/x-tar',
  zip: 'application/zip',
  p7b: 'application/pkcs7-mime; smime-type=certs-only',
} as const satisfies Record<DownloadFormat, string>;
