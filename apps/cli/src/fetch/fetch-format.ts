/** What `fetch` writes: one file, or with `der` a folder of one file per certificate. */
export const fetchFormats = ['pem', 'der', 'ndjson', 'p7b', 'tar', 'zip'] as const;

export type FetchFormat = (typeof fetchFormats)[number];

/** Formats that the server makes as a whole; the others are made here from NDJSON. */
export const wholeFormats: ReadonlySet<FetchFormat> = new Set(['p7b', 'tar', 'zip']);
