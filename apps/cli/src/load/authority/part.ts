/** What each part is given. */
export interface PartOptions {
  /** Its own; the part leaves there what it likes. */
  readonly directory: string;
  readonly crlEntries: number;
  readonly ocspCertificates: number;
  readonly rounds: number;
  /** Of each figure that is a rate, in each round. */
  readonly seconds: number;
}

/** Runs this process's part of the bench and tells its parent the figures. */
export async function tellFigures(
  measure: (options: PartOptions) => Promise<object>,
): Promise<void> {
  // Idle workers keep no process alive.
  process.channel?.ref();
  const figures = await measure(JSON.parse(process.argv[2] ?? '') as PartOptions);
  process.send?.(figures, () => process.disconnect());
}

/** Rounds of all works in turn, every second round in the other order; the first, of all, is not kept. */
export async function inTurn<Name extends string>(
  rounds: number,
  works: Readonly<Record<Name, () => Promise<number>>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(works) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]]));
  for (const name of names) await works[name]();
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      figures[name]?.push(await works[name]());
    }
  }
  return figures as Record<Name, number[]>;
}

export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? Number.NaN;
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
