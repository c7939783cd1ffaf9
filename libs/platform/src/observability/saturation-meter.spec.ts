import { SaturationMeter } from './saturation-meter.js';

describe('the saturation of sessions', () => {
  let nowSeconds = 100;
  const meter = new SaturationMeter(() => nowSeconds);

  it('is the share of their time between two scrapes that they were busy', () => {
    expect(meter.ratio('a', 500, 4)).toBe(0);
    nowSeconds += 10;
    expect(meter.ratio('a', 520, 4)).toBe(0.5);
    nowSeconds += 10;
    expect(meter.ratio('a', 520, 4)).toBe(0);
    expect(meter.ratio('b', 0, 1)).toBe(0);
  });

  it('stays where two scrape one after the other', () => {
    nowSeconds += 10;
    expect(meter.ratio('a', 550, 4)).toBe(0.75);
    nowSeconds += 0.01;
    expect(meter.ratio('a', 550, 4)).toBe(0.75);
  });

  it('is at most 1, though a chunk that began earlier brings more, and 0 without sessions', () => {
    nowSeconds += 10;
    expect(meter.ratio('a', 900, 4)).toBe(1);
    nowSeconds += 10;
    expect(meter.ratio('a', 900, 0)).toBe(0);
  });
});
