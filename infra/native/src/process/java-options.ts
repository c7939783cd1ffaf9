/**
 * For servers that live as long as a test and share the machine with what is tested: over 220,000
 * certificates C2 and G1 took half of their processor time (docs/performance.md).
 */
export function javaOptions(heapMegabytes: number): readonly string[] {
  return [
    `-Xmx${String(heapMegabytes)}m`,
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-XX:+ExitOnOutOfMemoryError',
  ];
}
