/** What a run is judged and compared by; a scenario has those that it can have. */
export const figureNames = [
  'certificates',
  'certificatesPerSecond',
  'certificatesToLimit',
  'batchSeconds',
  'enrolmentP50Ms',
  'enrolmentP95Ms',
  'enrolmentP99Ms',
  'cpuMicroseconds',
  'maxRssMiB',
  'rssGrowthPercent',
  'lagGrowthChunks',
] as const;
export type FigureName = (typeof figureNames)[number];
