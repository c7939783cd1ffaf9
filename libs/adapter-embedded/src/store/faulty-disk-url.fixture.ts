/** The disk module of `faulty-disk.fixture`, which says what the parameters do. */
export function faultyDisk(step: string, at: number, mode: string): string {
  const url = new URL('./faulty-disk.fixture.js', import.meta.url);
  url.search = new URLSearchParams({ step, at: String(at), mode }).toString();
  return url.href;
}
