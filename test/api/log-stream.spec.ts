import { StandardOutput } from '../../src/logging/log-stream.js';

class Output {
  readonly writes: string[] = [];

  write(text: string): boolean {
    this.writes.push(text);
    return true;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function open(): { output: Output; stream: StandardOutput } {
  const output = new Output();
  return { output, stream: new StandardOutput(output as unknown as NodeJS.WritableStream) };
}

describe('standard output', () => {
  it('is written once per turn for the lines that nobody waits for, in their order', async () => {
    const { output, stream } = open();
    for (const line of ['a\n', 'b\n', 'c\n']) stream.writeSoon(line);
    expect(output.writes).toEqual([]);
    await turn();
    expect(output.writes).toEqual(['a\nb\nc\n']);
  });

  it('has every other line at once, behind those that wait', async () => {
    const { output, stream } = open();
    stream.writeSoon('request\n');
    stream.write('error\n');
    stream.writeSoon('next request\n');
    expect(output.writes).toEqual(['request\n', 'error\n']);
    await turn();
    expect(output.writes).toEqual(['request\n', 'error\n', 'next request\n']);
  });

  it('is never given pieces that a pipe would take apart, but for a single line that is longer', async () => {
    const { output, stream } = open();
    const line = `${'ü'.repeat(300)}\n`;
    for (let count = 0; count < 40; count++) stream.writeSoon(line);
    stream.writeSoon(`${'x'.repeat(5_000)}\n`);
    await turn();
    expect(output.writes.join('')).toBe(`${line.repeat(40)}${'x'.repeat(5_000)}\n`);
    for (const piece of output.writes.slice(0, -1)) expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(4_096);
  });
});
